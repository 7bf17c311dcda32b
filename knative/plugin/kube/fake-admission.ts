// For tests: what Knative's webhook refuses.

import { Refused } from './fake-objects.ts';
import type { KubeObject } from './kinds.ts';

const prefix = 'autoscaling.knative.dev';

/** `validateMinMaxScale` of serving 1.23, and what it wants of a Service's own metadata. */
export function admitKnative(object: KubeObject): void {
  const annotations = object.metadata.annotations ?? {};
  if (object.kind === 'Service' && object.apiVersion.startsWith('serving')) {
    if (Object.keys(annotations).some((key) => key.startsWith(prefix))) {
      throw denied(
        'autoscaling annotations must be put under "spec.template.metadata.annotations"',
      );
    }
  }
  if (object.kind !== 'Revision') return;
  const number = (name: string) => {
    const text = annotations[`${prefix}/${name}`];
    if (text !== undefined && !/^\d+$/.test(text)) throw denied(`invalid value: ${text}: ${name}`);
    return text === undefined ? undefined : Number(text);
  };
  const [min = 0, max = 0] = [number('min-scale'), number('max-scale')];
  const activation = number('activation-scale');
  if (max !== 0 && max < min) throw denied(`max-scale=${max} is less than min-scale=${min}`);
  if (activation !== undefined && min > activation) {
    throw denied(`min-scale=${min} is greater than activation-scale=${activation}`);
  }
}

function denied(message: string): Refused {
  const webhook = 'admission webhook "validation.webhook.serving.knative.dev" denied the request';
  return new Refused(400, 'BadRequest', `${webhook}: validation failed: ${message}`);
}
