// Waits until all that was applied does its work, and says what it waits for.

import { setTimeout } from 'node:timers/promises';
import { podFaults } from '../doctor/pods.ts';
import { type Kube, type KubeObject, kinds, refOf } from '../kube/client.ts';
import { type Progress, progressOf } from './progress.ts';

export interface Pending extends Progress {
  readonly kind: string;
  readonly name: string;
}

export interface Waited {
  /** What has not come to its end in time, or has failed. */
  readonly pending: readonly Pending[];
  /** Things to know that no waiting changes. */
  readonly remarks: readonly string[];
}

const pollMs = 2_000;

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly interrupted: AbortSignal;
  readonly say: (text: string) => void;
  /** So long a controller has to take note of a source, if there is one. */
  readonly unseenMs?: number;
}

/** Resolves when nothing is pending, something has failed for good, or the time is over. */
export async function waitForAll(
  kube: Kube,
  objects: readonly KubeObject[],
  { timeoutMs, interrupted, say, unseenMs = 20_000 }: WaitOptions,
): Promise<Waited> {
  const begun = performance.now();
  let rest = objects.filter((object) => progressOf(object) !== undefined);
  const remarks: string[] = [];
  for (;;) {
    const pending: Pending[] = [];
    const still: KubeObject[] = [];
    for (const object of rest) {
      const progress = await lookAt(kube, object);
      if (progress.state === 'done') continue;
      still.push(object);
      pending.push({ kind: object.kind, name: object.metadata.name, ...progress });
    }
    rest = still;
    const waitedMs = performance.now() - begun;
    if (waitedMs > unseenMs && rest.every(isOfKafka) && rest.length > 0) {
      if (!(await hasKafkaController(kube))) {
        return { pending: [], remarks: [...remarks, noController] };
      }
    }
    const isOver = waitedMs > timeoutMs || pending.some(({ state }) => state === 'failed');
    if (pending.length === 0) return { pending, remarks };
    if (isOver) return { pending: [...pending, ...(await troublesOf(kube))], remarks };
    say(`waiting: ${describe([...pending, ...(await troublesOf(kube))])}`);
    await setTimeout(pollMs, undefined, { signal: interrupted });
  }
}

async function lookAt(kube: Kube, object: KubeObject): Promise<Progress> {
  const found = await kube.get(refOf(object));
  // A Job is removed some time after it has ended.
  if (found === undefined && object.kind === 'Job') return { state: 'done', text: 'gone' };
  if (found === undefined) return { state: 'waiting', text: 'not there' };
  return progressOf(found) ?? { state: 'done', text: '' };
}

/** Why it takes so long, where pods are the reason. */
async function troublesOf(kube: Kube): Promise<Pending[]> {
  const faults = await podFaults(kube);
  return faults.map(({ name, reason }) => ({ kind: 'Pod', name, state: 'waiting', text: reason }));
}

/** What is pending, in one line: those of a kind that wait for the same are named together. */
export function describe(pending: readonly Pending[]): string {
  const names = new Map<string, string[]>();
  for (const { kind, name, text } of pending) {
    const key = `${kind}\n${text}`;
    names.set(key, [...(names.get(key) ?? []), name]);
  }
  return [...names]
    .map(([key, of]) => {
      const [kind = '', text = ''] = key.split('\n');
      return `${kind} ${of.join(', ')} (${text.replace(/\.$/, '')})`;
    })
    .join('; ');
}

const isOfKafka = ({ kind }: KubeObject) => kind === 'KafkaSource' || kind === 'KafkaSink';

/** Whether anybody in the cluster makes KafkaSources work: some controller has seen one of them. */
export async function hasKafkaController(kube: Kube): Promise<boolean> {
  const sources = await kube.list<KubeObject & { status?: { conditions?: unknown[] } }>(
    kinds.kafkaSource,
  );
  return sources.some(({ status }) => (status?.conditions?.length ?? 0) > 0);
}

export const noController =
  'no controller takes care of KafkaSources in this cluster: accepted orders are not delivered. ' +
  'Install Knative’s Kafka controller and source (eventing-kafka-broker 1.23), or run the source ' +
  'runner (knative/e2e/source-runner)';
