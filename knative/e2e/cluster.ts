// What is seen and changed of the cluster itself, by kubectl: only of the system's own Services,
// so that whatever else runs there is neither counted nor touched.

import { output, type Ran, run } from './run.ts';

export const serviceNames = ['ratelimit-edge', 'purchase', 'persist-order', 'update-rank'] as const;
export type ServiceName = (typeof serviceNames)[number];

export interface Pod {
  readonly name: string;
  readonly service: ServiceName;
  readonly revision: string;
  /** Empty while it waits for a place. */
  readonly node: string;
  /** By Kubernetes' own judgement, and not on its way out. */
  readonly isReady: boolean;
}

export interface Revision {
  readonly name: string;
  readonly service: string;
}

export interface KnativeService {
  readonly name: ServiceName;
  readonly url: string;
  readonly isReady: boolean;
  /** What stands in the way where it is not ready. */
  readonly why: string;
  /** The revision that gets all of the traffic; empty where several share it. */
  readonly serving: string;
  /** Of its template; empty where it has none. */
  readonly annotations: Readonly<Record<string, string>>;
}

export interface Node {
  readonly name: string;
  readonly isReady: boolean;
}

export interface Cluster {
  kubectl(args: readonly string[], input?: string): Promise<Ran>;
  /** The pods of the four Services, those on their way out included. */
  pods(): Promise<Pod[]>;
  revisions(): Promise<Revision[]>;
  services(): Promise<KnativeService[]>;
  nodes(): Promise<Node[]>;
  /** Merges into the object; null removes a field. */
  patch(kind: string, name: string, patch: object): Promise<void>;
  /** One object of any namespace as the API server has it; undefined where there is none. */
  find(args: readonly string[]): Promise<unknown>;
}

export interface ClusterOptions {
  readonly namespace: string;
  readonly context: string | undefined;
}

export function openCluster({ namespace, context }: ClusterOptions): Cluster {
  const common = [
    '--request-timeout=20s',
    ...(context === undefined ? [] : ['--context', context]),
  ];
  const inNamespace = [...common, '--namespace', namespace];
  const list = async <Item>(kind: string, args: readonly string[]): Promise<Item[]> => {
    const text = await output('kubectl', [...args, 'get', kind, '-o', 'json']);
    return (JSON.parse(text) as { items: Item[] }).items;
  };
  return {
    kubectl: (args, input) =>
      run('kubectl', [...inNamespace, ...args], input === undefined ? {} : { input }),
    async pods() {
      const items = await list<PodObject>('pods', inNamespace);
      return items.flatMap(podOf);
    },
    async revisions() {
      const items = await list<PodObject>('revisions.serving.knative.dev', inNamespace);
      return items.flatMap(({ metadata: { name, labels } }) => {
        const service = labels?.['serving.knative.dev/service'];
        return isOurs(service) ? [{ name, service }] : [];
      });
    },
    async services() {
      const items = await list<ServiceObject>('services.serving.knative.dev', inNamespace);
      return items.flatMap(serviceOf);
    },
    async nodes() {
      const items = await list<NodeObject>('nodes', common);
      return items.map(({ metadata: { name }, status }) => ({
        name,
        isReady: status.conditions.some(
          ({ type, status: is }) => type === 'Ready' && is === 'True',
        ),
      }));
    },
    async patch(kind, name, patch) {
      const text = JSON.stringify(patch);
      await output('kubectl', [...inNamespace, 'patch', kind, name, '--type=merge', '-p', text]);
    },
    async find(args) {
      const asked = ['get', ...args, '-o', 'json', '--ignore-not-found'];
      const { status, stdout } = await run('kubectl', [...inNamespace, ...asked]);
      return status === 0 && stdout.trim() !== '' ? (JSON.parse(stdout) as unknown) : undefined;
    },
  };
}

/** How many of them are on each node. */
export function perNode(pods: readonly Pod[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { node } of pods) counts[node || 'none'] = (counts[node || 'none'] ?? 0) + 1;
  return counts;
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly message?: string;
}
interface Metadata {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly deletionTimestamp?: string;
}
interface PodObject {
  readonly metadata: Metadata;
  readonly spec: { readonly nodeName?: string };
  readonly status?: { readonly conditions?: readonly Condition[] };
}
interface NodeObject {
  readonly metadata: Metadata;
  readonly status: { readonly conditions: readonly Condition[] };
}
interface ServiceObject {
  readonly metadata: Metadata & { readonly generation: number };
  readonly spec: {
    readonly template: { readonly metadata?: { annotations?: Record<string, string> } };
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly url?: string;
    readonly conditions?: readonly Condition[];
    readonly traffic?: readonly { readonly revisionName?: string; readonly percent?: number }[];
    readonly latestCreatedRevisionName?: string;
    readonly latestReadyRevisionName?: string;
  };
}

function isOurs(name: string | undefined): name is ServiceName {
  return serviceNames.some((one) => one === name);
}

function isReady(conditions: readonly Condition[] | undefined): boolean {
  return conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}

function podOf({ metadata, spec, status }: PodObject): Pod[] {
  const service = metadata.labels?.['serving.knative.dev/service'];
  if (!isOurs(service)) return [];
  return [
    {
      ...{ name: metadata.name, service, node: spec.nodeName ?? '' },
      revision: metadata.labels?.['serving.knative.dev/revision'] ?? '',
      isReady: isReady(status?.conditions) && metadata.deletionTimestamp === undefined,
    },
  ];
}

/** Ready only if what Knative says is about what was asked for last. */
function serviceOf({ metadata, spec, status = {} }: ServiceObject): KnativeService[] {
  const { name, generation } = metadata;
  if (!isOurs(name)) return [];
  const isUpToDate =
    status.observedGeneration === generation &&
    status.latestCreatedRevisionName === status.latestReadyRevisionName;
  const serving = status.traffic?.find(({ percent }) => percent === 100)?.revisionName ?? '';
  const failing = status.conditions?.find(({ status: is }) => is !== 'True');
  return [
    {
      ...{ name, serving, url: status.url ?? '' },
      isReady: isUpToDate && isReady(status.conditions),
      why: failing?.message ?? (isUpToDate ? '' : 'Knative has not seen the last change yet'),
      annotations: spec.template.metadata?.annotations ?? {},
    },
  ];
}
