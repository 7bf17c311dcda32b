// What the cluster knows about the system in its namespace: where its edge is reached, and with
// which key and for whom operators' tokens are signed.

import { CliError } from '../exit.ts';
import type { Kube } from './client.ts';
import { KubeError } from './errors.ts';
import { type KubeObject, kinds } from './kinds.ts';

/** The public function; its names in the cluster are contracts of `knative/base`. */
const edgeName = 'ratelimit-edge';
const keysName = 'seckill-keys';

export interface KnativeService extends KubeObject {
  readonly spec: { readonly template: RevisionTemplate };
  readonly status?: {
    readonly url?: string;
    readonly address?: { readonly url?: string };
    readonly latestCreatedRevisionName?: string;
    readonly latestReadyRevisionName?: string;
    readonly traffic?: readonly { readonly revisionName?: string; readonly percent?: number }[];
  };
}

interface RevisionTemplate {
  readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: {
    readonly containers: readonly {
      readonly image: string;
      readonly envFrom?: readonly { readonly configMapRef?: { readonly name: string } }[];
    }[];
    readonly imagePullSecrets?: readonly { readonly name: string }[];
  };
}

/** The edge as it is deployed. Throws CliError where it is not. */
export async function edgeServiceOf(kube: Kube): Promise<KnativeService> {
  const service = await kube.get<KnativeService>({ ...kinds.knativeService, name: edgeName });
  if (service !== undefined) return service;
  throw new CliError(
    `there is no Knative Service ${edgeName} in the namespace ${kube.namespace} of ` +
      `${kube.context}: \`kn-seckill install\` puts it there; -n names another namespace`,
  );
}

/** Where the edge is reached: by its public route, from inside of the cluster by its own. */
export async function routeOf(kube: Kube): Promise<string> {
  const { status } = await edgeServiceOf(kube);
  const url = kube.isInside ? status?.address?.url : status?.url;
  if (url !== undefined) return url.replace(/\/+$/, '');
  throw new CliError(
    `${edgeName} has no route yet: \`kubectl -n ${kube.namespace} get ksvc ${edgeName}\` says why`,
  );
}

interface Secret extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** The key of operators' tokens; undefined where the Secret has none (an issuer signs there). */
export async function keyOf(kube: Kube): Promise<string | undefined> {
  const secret = await kube.get<Secret>({ ...kinds.secret, name: keysName });
  const value = secret?.data?.['SECKILL_JWT_KEY'];
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString();
}

interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** Whom the edge trusts, where its configuration says so and the caller may read that. */
export async function issuerOf(kube: Kube): Promise<{ issuer?: string; audience?: string }> {
  const { spec } = await edgeServiceOf(kube);
  const sources = spec.template.spec.containers[0]?.envFrom ?? [];
  const name = sources.find(({ configMapRef }) => configMapRef)?.configMapRef?.name;
  if (name === undefined) return {};
  try {
    const { data } = (await kube.get<ConfigMap>({ ...kinds.configMap, name })) ?? {};
    const [issuer, audience] = [data?.['SECKILL_JWT_ISSUER'], data?.['SECKILL_JWT_AUDIENCE']];
    return { ...(issuer && { issuer }), ...(audience && { audience }) };
  } catch (error) {
    // Few change them; who did and may not read the configuration says so by the environment.
    if (error instanceof KubeError && error.reason === 'Forbidden') return {};
    throw error;
  }
}
