// How far each object has got that does something after it was applied: judged by what its own
// controller says of it.

import type { Condition, KubeObject } from '../kube/client.ts';

export interface Progress {
  readonly state: 'done' | 'waiting' | 'failed';
  /** In few words, like `2 of 3 ready`. */
  readonly text: string;
}

interface Watched extends KubeObject {
  readonly spec?: { readonly replicas?: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly readyReplicas?: number;
    readonly updatedReplicas?: number;
    readonly failed?: number;
    readonly conditions?: readonly Condition[];
  };
}

const judges: Readonly<Record<string, (object: Watched) => Progress>> = {
  StatefulSet: judgeReplicas,
  Deployment: judgeReplicas,
  Job: judgeJob,
  'Service serving.knative.dev/v1': judgeConditions,
  KafkaSource: judgeConditions,
  PingSource: judgeConditions,
  KafkaSink: judgeConditions,
};

/** Undefined for what is done as soon as it is there. */
export function progressOf(object: KubeObject): Progress | undefined {
  const { kind, apiVersion } = object;
  const judge = judges[kind] ?? judges[`${kind} ${apiVersion}`];
  return judge?.(object);
}

function isSeen({ metadata, status }: Watched): boolean {
  return (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0);
}

function judgeReplicas(object: Watched): Progress {
  const wanted = object.spec?.replicas ?? 1;
  const { readyReplicas: ready = 0, updatedReplicas: updated = 0 } = object.status ?? {};
  const isDone = isSeen(object) && ready >= wanted && updated >= wanted;
  return { state: isDone ? 'done' : 'waiting', text: `${ready} of ${wanted} ready` };
}

function judgeJob({ status }: Watched): Progress {
  const is = (type: string) =>
    status?.conditions?.find((one) => one.type === type && one.status === 'True');
  if (is('Complete')) return { state: 'done', text: 'complete' };
  const failed = is('Failed');
  if (failed) return { state: 'failed', text: failed.message ?? 'failed' };
  const tries = status?.failed ?? 0;
  return { state: 'waiting', text: tries === 0 ? 'running' : `running, failed ${tries} times` };
}

function judgeConditions(object: Watched): Progress {
  const conditions = object.status?.conditions ?? [];
  const ready = conditions.find(({ type }) => type === 'Ready');
  if (ready === undefined) return { state: 'waiting', text: 'no controller has seen it yet' };
  if (isSeen(object) && ready.status === 'True') return { state: 'done', text: 'ready' };
  // Of what was there before it is changed the controller does not know yet.
  if (!isSeen(object)) return { state: 'waiting', text: 'being changed' };
  return { state: 'waiting', text: ready.message ?? ready.reason ?? 'not ready yet' };
}
