// The tick: a PingSource by which Knative has `purchase` look after sales once a minute, also when
// nobody buys any more. It is there from the first `sale warm` or `open` until every sale is
// settled, so that nothing wakes an idle system.

import { randomUUID } from 'node:crypto';
import type { Invocation } from './command.ts';
import { CliError } from './exit.ts';
import type { Kube } from './kube/client.ts';
import { KubeError } from './kube/errors.ts';
import { type KubeObject, kinds } from './kube/kinds.ts';
import type { Sale } from './show-sale.ts';

export const tickName = 'seckill-tick';

const tickRef = { ...kinds.pingSource, name: tickName };
/** Each that needs it writes another value, so that whoever takes it away sees the change. */
const neededBy = 'kn-seckill/needed-by';
const attemptsMax = 5;

function tickFor(operationId: string): KubeObject {
  return {
    ...kinds.pingSource,
    metadata: {
      name: tickName,
      labels: { 'app.kubernetes.io/name': tickName, 'app.kubernetes.io/part-of': 'seckill' },
      annotations: { [neededBy]: operationId },
    },
    ...{
      spec: {
        // As often as a PingSource can.
        schedule: '* * * * *',
        sink: { ref: { ...kinds.knativeService, name: 'purchase' }, uri: '/tick' },
      },
    },
  };
}

/**
 * Sees to it that the tick is there, where the system is in a cluster that is meant. `done` says
 * what has been done already, should that fail.
 */
export async function startTick(given: Invocation, done: string): Promise<void> {
  const kube = await clusterOf(given);
  if (kube === undefined) {
    await warnOfNone(given, done);
    return;
  }
  try {
    await kube.apply(tickFor(randomUUID()));
  } catch (error) {
    const { message } = error as Error;
    throw new CliError(`${done}, but nothing looks after it once nobody buys: ${message}`);
  }
}

/** The cluster of the kubeconfig may be another one than that of an address, and is left alone. */
async function warnOfNone({ target, surroundings, say }: Invocation, done: string): Promise<void> {
  if ((await target()).kind !== 'url' || surroundings.cluster !== 'known') return;
  say(
    `warning: ${done}, and no cluster was named, so nothing was made there that looks after it. ` +
      'If it runs in one, repeat this with --context or -n',
  );
}

/**
 * Takes the tick away where no sale needs it any more. Whoever loads a sale writes to the tick
 * after that; so a tick that is still as it was before the sales were looked at is nobody's.
 */
export async function endTick(given: Invocation): Promise<void> {
  const kube = await clusterOf(given);
  if (kube === undefined) return;
  for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
    const tick = await kube.get<KubeObject>(tickRef);
    if (tick === undefined || (await isNeeded(given))) return;
    if (await removed(kube, tick)) {
      await restoreIfNeeded(kube, given);
      return;
    }
  }
  given.say(`warning: ${tickName} is written to all the time, and was left; \`doctor\` tells`);
}

/** False where somebody has written to it meanwhile. */
async function removed(kube: Kube, { metadata }: KubeObject): Promise<boolean> {
  try {
    await kube.remove(tickRef, { only: metadata });
    return true;
  } catch (error) {
    if (error instanceof KubeError && error.reason === 'Conflict') return false;
    throw error;
  }
}

/** An older release finds the tick there and writes nothing: it is told of by the sales alone. */
async function restoreIfNeeded(kube: Kube, given: Invocation): Promise<void> {
  try {
    if (!(await isNeeded(given))) return;
  } catch (error) {
    await kube.apply(tickFor(randomUUID()));
    throw error;
  }
  await kube.apply(tickFor(randomUUID()));
}

async function isNeeded(given: Invocation): Promise<boolean> {
  const request = { method: 'GET', path: '/operator/sales' } as const;
  const { sales } = await given.edge().ask<{ sales: Sale[] }>(request);
  return sales.some(needsTick);
}

/** Whether a sale has to be looked after, also while Redis has lost it. */
export function needsTick({ settled, loaded, state }: NeedOfSale): boolean {
  return !settled && (loaded || state !== 'scheduled');
}

type NeedOfSale = Pick<Sale, 'settled' | 'loaded' | 'state'>;

/** Undefined where the system is named by its address alone, or runs locally. */
async function clusterOf({ target, surroundings }: Invocation): Promise<Kube | undefined> {
  const { kind } = await target();
  const isMeant = kind === 'cluster' || (kind === 'url' && surroundings.cluster === 'named');
  return isMeant ? surroundings.kube() : undefined;
}
