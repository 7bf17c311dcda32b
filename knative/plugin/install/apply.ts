// Puts objects into the cluster by server-side apply, one after the other. What is there already
// and the same stays as it is; a Job that has to be another one is made anew.

import { setTimeout } from 'node:timers/promises';
import { type Kube, KubeError, type KubeObject, refOf } from '../kube/client.ts';
import { mayPass } from '../kube/errors.ts';

export interface Applied {
  readonly kind: string;
  readonly name: string;
  readonly result: 'made' | 'changed' | 'same' | 'refused';
  readonly reason?: string;
}

const triesMax = 6;
const pauseMs = 2_000;
const goneTimeoutMs = 60_000;

export interface ApplyOptions {
  /** Nothing is kept, only checked. */
  readonly dryRun?: boolean;
  readonly interrupted: AbortSignal;
}

/** Throws KubeError where the API server refuses, or a webhook of it stays away. */
export async function applyObject(
  kube: Kube,
  object: KubeObject,
  { dryRun = false, interrupted }: ApplyOptions,
): Promise<Applied> {
  const told = { kind: object.kind, name: object.metadata.name };
  for (let tried = 1; ; tried += 1) {
    interrupted.throwIfAborted();
    try {
      const before = await kube.get(refOf(object));
      const after = await kube.apply(object, { dryRun });
      return { ...told, result: resultOf(before, after) };
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      if (isOtherJob(object, error) && !dryRun) {
        await removeJob(kube, object, interrupted);
        continue;
      }
      if (isOtherJob(object, error)) return { ...told, result: 'changed' };
      if (!mayPass(error) || tried >= triesMax) throw error;
      await setTimeout(pauseMs, undefined, { signal: interrupted });
    }
  }
}

function resultOf(before: KubeObject | undefined, after: KubeObject): Applied['result'] {
  if (before === undefined) return 'made';
  const same = before.metadata.resourceVersion === after.metadata.resourceVersion;
  return same ? 'same' : 'changed';
}

/** A Job cannot be changed. */
function isOtherJob({ kind }: KubeObject, { reason, message }: KubeError): boolean {
  return kind === 'Job' && reason === 'Invalid' && message.includes('immutable');
}

async function removeJob(kube: Kube, job: KubeObject, interrupted: AbortSignal): Promise<void> {
  await kube.remove(refOf(job));
  const deadline = performance.now() + goneTimeoutMs;
  while ((await kube.get(refOf(job))) !== undefined && performance.now() < deadline) {
    await setTimeout(pauseMs / 4, undefined, { signal: interrupted });
  }
}
