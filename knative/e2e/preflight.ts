// Whether this cluster can be tried at all: what is missing, and what to do about it, before
// anything is changed.

import { type Cluster, serviceNames } from './cluster.ts';

export interface Check {
  readonly what: string;
  /** `advice`: it can be tried all the same. */
  readonly result: 'ok' | 'advice' | 'missing';
  readonly found: string;
  /** What to do; empty where all is well. */
  readonly todo: string;
}

const kubernetesMin = 34;
const nodesWanted = 3;

interface Versions {
  readonly serverVersion?: { readonly major: string; readonly minor: string };
}

/** Looks at what has to be there before an overlay is applied. */
export async function checkCluster(cluster: Cluster): Promise<Check[]> {
  const { status, stdout, stderr } = await cluster
    .kubectl(['version', '-o', 'json'])
    .catch((error: unknown) => ({ status: 127, stdout: '', stderr: String(error) }));
  const { serverVersion } = (status === 0 ? JSON.parse(stdout) : {}) as Versions;
  if (serverVersion === undefined) {
    const todo = 'install kubectl and let KUBECONFIG name a cluster that answers';
    return [{ what: 'Kubernetes', result: 'missing', found: stderr.trim().slice(0, 200), todo }];
  }
  const version = `${serverVersion.major}.${serverVersion.minor}`;
  const isNew = Number.parseInt(serverVersion.minor, 10) >= kubernetesMin;
  const kubernetes: Check = {
    what: 'Kubernetes',
    result: isNew ? 'ok' : 'advice',
    found: version,
    todo: isNew ? '' : `Knative 1.23 is for Kubernetes 1.${kubernetesMin} and later`,
  };
  const crds = Object.entries(kinds).map(([kind, todo]) => hasKind(cluster, kind, todo));
  return [kubernetes, await checkNodes(cluster), ...(await Promise.all(crds))];
}

const kinds = {
  'services.serving.knative.dev': 'install Knative Serving 1.23',
  'pingsources.sources.knative.dev': 'install Knative Eventing 1.23',
  'kafkasources.sources.knative.dev':
    'install KafkaSource and KafkaSink (eventing-kafka-broker 1.23), or their CRDs at least',
  'kafkasinks.eventing.knative.dev':
    'install KafkaSource and KafkaSink (eventing-kafka-broker 1.23), or their CRDs at least',
} as const;

async function hasKind(cluster: Cluster, kind: string, todo: string): Promise<Check> {
  const found = await cluster.find(['customresourcedefinitions.apiextensions.k8s.io', kind]);
  return found === undefined
    ? { what: kind, result: 'missing', found: 'no such kind', todo }
    : { what: kind, result: 'ok', found: 'there', todo: '' };
}

async function checkNodes(cluster: Cluster): Promise<Check> {
  const nodes = await cluster.nodes();
  const ready = nodes.filter(({ isReady }) => isReady).length;
  const isEnough = ready >= nodesWanted;
  return {
    what: 'nodes',
    result: isEnough ? 'ok' : ready > 0 ? 'advice' : 'missing',
    found: `${ready} of ${nodes.length} are ready`,
    todo: isEnough ? '' : `with ${nodesWanted} nodes more can be shown: instances spread, one lost`,
  };
}

/** Whether KafkaSources are delivered here by Knative's own dispatcher. */
export async function deliversKafkaSources(cluster: Cluster): Promise<boolean> {
  const controller = ['deployment', 'kafka-controller', '--namespace', 'knative-eventing'];
  return (await cluster.find(controller)) !== undefined;
}

/** Looks at the system itself, once it is said to be there. */
export async function checkSystem(cluster: Cluster): Promise<Check[]> {
  const services = await cluster.services();
  const checks = serviceNames.map((name): Check => {
    const service = services.find((one) => one.name === name);
    if (service === undefined) {
      const todo = 'apply an overlay: --install knative/overlays/three-node';
      return { what: `Service ${name}`, result: 'missing', found: 'not there', todo };
    }
    return service.isReady
      ? { what: `Service ${name}`, result: 'ok', found: service.url, todo: '' }
      : {
          ...{ what: `Service ${name}`, result: 'missing', found: service.why },
          todo: `kubectl describe ksvc ${name}; kn-seckill doctor`,
        };
  });
  if (await deliversKafkaSources(cluster)) return checks;
  return [...checks, await checkRunner(cluster)];
}

async function checkRunner(cluster: Cluster): Promise<Check> {
  const what = 'delivery of KafkaSources';
  const runner = (await cluster.find(['deployment', 'source-runner'])) as
    | { readonly status?: { readonly readyReplicas?: number } }
    | undefined;
  if ((runner?.status?.readyReplicas ?? 0) > 0) {
    return { what, result: 'ok', found: 'by the source runner, as a pod', todo: '' };
  }
  const found = runner === undefined ? 'nothing delivers' : 'the source runner is not ready';
  return { what, result: 'missing', found, todo: 'try again with --source-runner yes' };
}

/** As a table for people. */
export function tableOf(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ what }) => what.length));
  return checks
    .map(({ what, result, found, todo }) => {
      const line = `  ${result.padEnd(8)} ${what.padEnd(width)}  ${found}`;
      return todo === '' ? line : `${line}\n${' '.repeat(width + 13)}→ ${todo}`;
    })
    .join('\n');
}
