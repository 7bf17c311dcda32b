// A cluster as something to look at: its pods and what they say, all through the API server. The
// pods are asked on the port of their metrics, by its pod proxy: past the gateway and the
// queue-proxies, so that no request counts, and nothing wakes or stays awake for it.

import type { Standing } from '#functions/purchase/standing.ts';
import { metricsPortByDefault } from '#lib/constants.ts';
import { inParallel } from '#lib/in-parallel.ts';
import { standingPath } from '#lib/names.ts';
import { boundsOf, type Revision } from '../kube/claims.ts';
import { type Condition, type Kube, KubeError, type KubeObject, kinds } from '../kube/client.ts';
import { isLive, lostWarmthOf, serviceLabel } from '../kube/lost-warmth.ts';
import { parseExposition, type Series } from './exposition.ts';
import {
  type FunctionName,
  functionNames,
  type Instance,
  type Look,
  type Opening,
  type Source,
} from './look.ts';

interface ContainerStatus {
  readonly restartCount: number;
  readonly state?: { readonly waiting?: { readonly reason?: string } };
}

interface Pod extends KubeObject {
  readonly spec?: { readonly nodeName?: string };
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly Condition[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

const ours = `${serviceLabel} in (${functionNames.join(',')})`;
/** Of so many instances at once; the API server has others to serve. */
const askedAtOnce = 16;
const timeoutMs = 4_000;
/** Every pod starts so. */
const harmless: ReadonlySet<string | undefined> = new Set([
  'ContainerCreating',
  'PodInitializing',
  undefined,
]);

type KubeToWatch = Pick<Kube, 'context' | 'namespace' | 'list' | 'proxied'>;

export function kubeSource(kube: KubeToWatch): Source {
  return {
    title: `namespace ${kube.namespace} of ${kube.context}`,
    namespace: kube.namespace,
    async look(): Promise<Look> {
      const notes = new Set<string>();
      const revisions = kube.list<Revision>(kinds.revision, { labels: ours });
      const [pods, made, planned] = await Promise.all([
        kube.list<Pod>(kinds.pod, { labels: ours }),
        unlessForbidden(revisions, notes),
        plannedBy(kube, notes),
      ]);
      const wanted = wantedOf(made);
      const lostWarmth = lostWarmthOf(made ?? []);
      const instances = await inParallel(pods.filter(isAlive), askedAtOnce, async (pod) =>
        instanceOf(pod, await seriesOf(kube, pod, notes)),
      );
      const standing = await standingOf(kube, instances);
      return {
        ...{ atMs: Date.now(), instances, wanted, standing, planned, lostWarmth },
        notes: [...notes],
      };
    },
  };
}

/** What has ended (evicted, completed) lies there until somebody removes it. */
function isAlive({ status }: Pod): boolean {
  return status?.phase !== 'Failed' && status?.phase !== 'Succeeded';
}

function instanceOf(pod: Pod, series: readonly Series[] | undefined): Instance {
  const { metadata, spec, status } = pod;
  const isReady = conditionOf(pod, 'Ready')?.status === 'True';
  const containers = status?.containerStatuses ?? [];
  const leaving = metadata.deletionTimestamp !== undefined;
  return {
    function: metadata.labels?.[serviceLabel] as FunctionName,
    id: metadata.uid ?? metadata.name,
    name: metadata.name,
    node: spec?.nodeName,
    state: leaving ? 'leaving' : isReady ? 'ready' : 'starting',
    restarts: containers.reduce((sum, { restartCount }) => sum + restartCount, 0),
    trouble: leaving ? undefined : troubleOf(pod),
    series,
  };
}

function troubleOf(pod: Pod): string | undefined {
  const scheduled = conditionOf(pod, 'PodScheduled');
  if (scheduled?.status === 'False') {
    // Of the scheduler's sentences the first says why.
    return scheduled.message?.split(/\. |\.$/)[0] ?? scheduled.reason;
  }
  return (pod.status?.containerStatuses ?? [])
    .map(({ state }) => state?.waiting?.reason)
    .find((reason) => !harmless.has(reason));
}

function conditionOf({ status }: Pod, type: string): Condition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

/** Undefined where it does not answer; what the caller may not read is a note. */
async function seriesOf(
  kube: KubeToWatch,
  { metadata, status }: Pod,
  notes: Set<string>,
): Promise<readonly Series[] | undefined> {
  if (status?.phase !== 'Running') return undefined;
  try {
    const text = await metricsPage(kube, metadata.name, '/metrics');
    return text === undefined ? undefined : parseExposition(text);
  } catch (error) {
    if (error instanceof KubeError && error.code === 403) notes.add(error.message);
    return undefined;
  }
}

async function metricsPage(
  kube: KubeToWatch,
  pod: string,
  path: string,
): Promise<string | undefined> {
  const port = metricsPortByDefault;
  const { status, text } = await kube.proxied({ pod, port, path, timeoutMs });
  return status === 200 ? text : undefined;
}

/** From the first instance of `purchase` that tells. */
async function standingOf(
  kube: KubeToWatch,
  instances: readonly Instance[],
): Promise<Standing | undefined> {
  const able = instances.filter((one) => one.function === 'purchase' && one.series !== undefined);
  const readyFirst = able.toSorted((a, b) => rank(a) - rank(b));
  for (const { name } of readyFirst.slice(0, 2)) {
    try {
      const text = await metricsPage(kube, name, standingPath);
      if (text !== undefined) return JSON.parse(text) as Standing;
    } catch {
      // Perhaps it is leaving just now; another one may tell.
    }
  }
  return undefined;
}

const rank = ({ state }: Instance) => (state === 'ready' ? 0 : 1);

/** What the autoscaler wants, or what was asked of it while it sleeps. */
function wantedOf(revisions: readonly Revision[] | undefined): Look['wanted'] {
  const wanted = new Map(functionNames.map((name): [string, number] => [name, 0]));
  for (const revision of (revisions ?? []).filter(isLive)) {
    const name = revision.metadata.labels?.[serviceLabel] ?? '';
    const count = Math.max(boundsOf(revision).min, revision.status?.desiredReplicas ?? 0);
    wanted.set(name, (wanted.get(name) ?? 0) + count);
  }
  return Object.fromEntries(
    functionNames.map((name) => [name, revisions && wanted.get(name)]),
  ) as Look['wanted'];
}

/** What `schedule` has planned: its CronJobs say of which sale, and when it opens. */
async function plannedBy(kube: KubeToWatch, notes: Set<string>): Promise<Opening[]> {
  const labels = { 'app.kubernetes.io/component': 'schedule' };
  const jobs = await unlessForbidden(kube.list(kinds.cronJob, { labels }), notes);
  return (jobs ?? []).flatMap(({ metadata: { annotations = {} } }) => {
    const productId = annotations['kn-seckill/product'];
    const opensAtMs = Date.parse(annotations['kn-seckill/opens-at'] ?? '');
    return productId === undefined || Number.isNaN(opensAtMs) ? [] : [{ productId, opensAtMs }];
  });
}

/** What the caller may not list is a note, and the rest is shown. */
async function unlessForbidden<T>(
  listing: Promise<T[]>,
  notes: Set<string>,
): Promise<T[] | undefined> {
  try {
    return await listing;
  } catch (error) {
    if (!(error instanceof KubeError) || error.code !== 403) throw error;
    notes.add(error.message);
    return undefined;
  }
}
