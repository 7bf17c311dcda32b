// One request to a revision, private or not: to the activator, straight from inside of the cluster,
// from elsewhere through the API server's proxy. (Not to the revision's own Service: the API
// server reaches no endpoint in another namespace, and at zero the activator is its endpoint.)
// After a restart of the autoscaler nothing else brings a revision up from zero, whatever its
// min-scale is (serving#10327).

import { setTimeout } from 'node:timers/promises';
import type { Kube } from './client.ts';
import { KubeError } from './errors.ts';

export interface Woken {
  /** Of the answer; undefined where there was none. */
  readonly status: number | undefined;
  /** Until the answer. */
  readonly ms: number;
  /** Why there was none. */
  readonly why?: string;
}

const activator = { namespace: 'knative-serving', service: 'activator-service', port: 80 };
const path = '/readyz';
/** A request may hang at an endpoint that has gone: then another is asked. */
const requestMs = 15_000;
const pauseMs = 1_000;

/** Asks until something but the gateway's own 503 answers, or until the deadline. Never rejects. */
export async function wake(
  kube: Kube,
  revision: string,
  deadline: number,
  interrupted: AbortSignal,
): Promise<Woken> {
  const start = performance.now();
  const headers = {
    // The activator goes by these two, as the ingress sets them.
    'knative-serving-namespace': kube.namespace,
    'knative-serving-revision': revision,
  };
  for (;;) {
    const timeoutMs = Math.max(pauseMs, Math.min(requestMs, deadline - performance.now()));
    const answer = await request(kube, headers, timeoutMs).catch((error: unknown) => error);
    const ms = Math.round(performance.now() - start);
    const isLate = performance.now() + pauseMs > deadline || interrupted.aborted;
    if (typeof answer !== 'number') {
      const isRefused = answer instanceof KubeError && [403, 404].includes(answer.code);
      const why = answer instanceof Error ? answer.message : String(answer);
      if (isRefused || isLate) return { status: undefined, ms, why };
    } else if (answer < 500 || isLate) return { status: answer, ms };
    await setTimeout(pauseMs, undefined, { signal: interrupted }).catch(() => undefined);
  }
}

/** The status of the answer. Throws KubeError where the API server refuses. */
async function request(
  kube: Kube,
  headers: Readonly<Record<string, string>>,
  timeoutMs: number,
): Promise<number> {
  if (!kube.isInside)
    return (await kube.proxied({ ...activator, path, headers, timeoutMs })).status;
  const { service, namespace, port } = activator;
  const url = `http://${service}.${namespace}.svc:${port}${path}`;
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(timeoutMs) });
  await response.body?.cancel();
  return response.status;
}
