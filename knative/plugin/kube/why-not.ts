// Why a revision has fewer ready pods than it should: in the words of its pods, of whoever should
// make them, and of its events.

import { printable } from '../table.ts';
import type { Revision } from './claims.ts';
import type { Kube } from './client.ts';
import { KubeError } from './errors.ts';
import { type Condition, type KubeObject, kinds } from './kinds.ts';

export interface Pod extends KubeObject {
  readonly spec: { readonly nodeName?: string };
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly Condition[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

interface ContainerStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly state?: {
    readonly waiting?: Reason;
    readonly terminated?: Reason & { readonly exitCode: number };
  };
  readonly lastState?: { readonly terminated?: Reason & { readonly exitCode: number } };
}

interface Reason {
  readonly reason?: string;
  readonly message?: string;
}

interface Deployment extends KubeObject {
  readonly spec: { readonly replicas?: number };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

interface Event extends KubeObject {
  readonly reason?: string;
  readonly message?: string;
  readonly lastTimestamp?: string | null;
  readonly eventTime?: string | null;
}

const lengthMax = 300;

export function isReady({ metadata, status }: Pod): boolean {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
  return ready && metadata.deletionTimestamp === undefined;
}

/** One line; undefined where nothing is known to be wrong. */
export async function whyNotReady(
  kube: Kube,
  revision: Revision,
  pods: readonly Pod[],
): Promise<string | undefined> {
  const waiting = pods.filter(
    (pod) => !isReady(pod) && pod.metadata.deletionTimestamp === undefined,
  );
  for (const pod of waiting) {
    const why = whyPod(pod) ?? (await whyUnhealthy(kube, pod));
    if (why !== undefined) return short(`pod ${pod.metadata.name}: ${why}`);
  }
  const failure = await whyNoPods(kube, revision);
  if (failure !== undefined) return short(failure);
  const condition = revision.status?.conditions?.find(
    ({ type, status }) => type !== 'Active' && status === 'False',
  );
  if (condition === undefined) return undefined;
  return short(`revision ${revision.metadata.name}: ${told(condition)}`);
}

/** What the pod's own status says: no place on a node, no image, no Secret, ended again. */
function whyPod({ status }: Pod): string | undefined {
  const unplaced = status?.conditions?.find(
    ({ type, status: is }) => type === 'PodScheduled' && is === 'False',
  );
  if (unplaced !== undefined) return told(unplaced);
  for (const { name, state, lastState } of status?.containerStatuses ?? []) {
    const ended = state?.terminated ?? lastState?.terminated;
    if (ended !== undefined) {
      return `container ${name} ended with ${ended.exitCode} (${told(ended)})`;
    }
    const { waiting } = state ?? {};
    const isUsual = ['ContainerCreating', 'PodInitializing'].includes(waiting?.reason ?? '');
    if (waiting !== undefined && !isUsual) return `container ${name}: ${told(waiting)}`;
  }
  return undefined;
}

/** A probe that fails is only told by events; so is a Secret that cannot be mounted. */
async function whyUnhealthy(kube: Kube, { metadata }: Pod): Promise<string | undefined> {
  const wanted = ['Unhealthy', 'FailedMount', 'FailedCreatePodSandBox', 'Failed'];
  return eventOf(kube, metadata.name, wanted);
}

/** No pod could be made: a quota, Pod Security, an admission webhook. */
async function whyNoPods(kube: Kube, { metadata }: Revision): Promise<string | undefined> {
  const labels = { 'serving.knative.dev/revision': metadata.name };
  const [deployment] = await optional(() => kube.list<Deployment>(kinds.deployment, { labels }));
  const failure = deployment?.status?.conditions?.find(
    ({ type, status }) => type === 'ReplicaFailure' && status === 'True',
  );
  return failure === undefined ? undefined : `no pod can be made: ${told(failure)}`;
}

async function eventOf(
  kube: Kube,
  name: string,
  reasons: readonly string[],
): Promise<string | undefined> {
  const fields = `involvedObject.name=${name}`;
  const events = await optional(() => kube.list<Event>(kinds.event, { fields }));
  const time = ({ lastTimestamp, eventTime }: Event) => lastTimestamp ?? eventTime ?? '';
  const last = events
    .filter(({ reason = '' }) => reasons.includes(reason))
    .toSorted((one, other) => time(one).localeCompare(time(other)))
    .at(-1);
  return last?.message;
}

/** What the caller may not read is not known, and no failure of what was asked for. */
async function optional<T extends KubeObject>(read: () => Promise<T[]>): Promise<T[]> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof KubeError && error.code === 403) return [];
    throw error;
  }
}

function told({ reason = '', message = '' }: Reason): string {
  return message === '' ? reason : `${reason}: ${message}`;
}

function short(text: string): string {
  const line = printable(text).replace(/\s+/g, ' ').trim();
  return line.length > lengthMax ? `${line.slice(0, lengthMax - 1)}…` : line;
}
