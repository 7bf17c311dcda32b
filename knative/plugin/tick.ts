// The tick: a PingSource by which Knative has `purchase` look after sales once a minute, also when
// nobody buys any more. It is there from the first `sale warm` or `open` until every sale is
// settled, so that nothing wakes an idle system.

import type { Invocation } from './command.ts';
import { CliError } from './exit.ts';
import type { Kube } from './kube/client.ts';
import { kinds } from './kube/kinds.ts';
import type { Sale } from './show-sale.ts';

export const tickName = 'seckill-tick';

const tick = {
  ...kinds.pingSource,
  metadata: {
    name: tickName,
    labels: { 'app.kubernetes.io/name': tickName, 'app.kubernetes.io/part-of': 'seckill' },
  },
  spec: {
    // As often as a PingSource can.
    schedule: '* * * * *',
    sink: { ref: { ...kinds.knativeService, name: 'purchase' }, uri: '/tick' },
  },
};

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
    await kube.apply(tick);
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

/** Takes the tick away where no sale needs it any more. */
export async function endTick(given: Invocation): Promise<void> {
  const kube = await clusterOf(given);
  if (kube === undefined || (await isNeeded(given))) return;
  const wasThere = await kube.remove({ ...kinds.pingSource, name: tickName });
  // Somebody may have opened a sale, and found the tick there, while we looked.
  if (wasThere && (await isNeeded(given))) await kube.apply(tick);
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
