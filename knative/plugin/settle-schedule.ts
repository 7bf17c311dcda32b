// What a schedule does after its sale has closed: puts the instances back, settles the sale, and
// takes itself away. It goes on through whatever passes, for a day, and says what remains.

import { setTimeout } from 'node:timers/promises';
import { closeSale } from './close.ts';
import type { Invocation } from './command.ts';
import { EdgeError } from './edge.ts';
import { CliError } from './exit.ts';
import { scheduleHolder } from './kube/claims.ts';
import { KubeError, mayPass } from './kube/errors.ts';
import { kinds } from './kube/kinds.ts';
import { cronJobName } from './kube/schedule.ts';
import { allServices, coolServices } from './scale.ts';
import type { Sale } from './show-sale.ts';
import { printSale } from './show-sale.ts';
import { endTick } from './tick.ts';
import { verdictAfter } from './verify.ts';

/** Less than its Job has (`settleMaxSeconds`), which would end it without a word. */
export const settleWaitPreset = '23h';
/** How long one try waits for orders that are on their way. */
const tryMs = 600_000;
const pauseMinMs = 1_000;
const pauseMaxMs = 60_000;

/** Throws CliError: at once where waiting mends nothing, else when the time is over. */
export async function settle(product: string, given: Invocation, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (let pauseMs = pauseMinMs; ; pauseMs = Math.min(2 * pauseMs, pauseMaxMs)) {
    const leftMs = Math.max(0, deadline - performance.now());
    const remains = await settleOnce(product, given, Math.min(tryMs, leftMs)).catch(reasonToWait);
    if (remains === undefined) return;
    if (performance.now() + pauseMs > deadline) throw await givenUp(product, remains, given);
    given.say(`${product} is not settled: ${remains}. It is tried again`);
    await setTimeout(pauseMs, undefined, { signal: given.io.interrupted });
  }
}

/** What remains; undefined where all is done. */
async function settleOnce(
  product: string,
  given: Invocation,
  waitMs: number,
): Promise<string | undefined> {
  const request = { method: 'GET', path: `/operator/sales/${product}` } as const;
  const { state, closesAt } = await given.edge().ask<Sale>(request);
  if (state !== 'ended') {
    throw new CliError(
      `${product} is ${state} and closes at ${closesAt ?? 'no time'}: it has been changed since it ` +
        'was scheduled, so it is not closed. Schedule it again',
    );
  }
  const kube = await given.kube();
  await coolServices(kube, await allServices(kube), { for: scheduleHolder(product) });
  const { sale, remains } = await closeSale(product, waitMs, given);
  if (remains !== undefined) return remains;
  await endTick(given);
  for (const name of [cronJobName(product, 'warm'), cronJobName(product, 'settle')]) {
    // Its own Job, and what that has said, outlives it.
    await kube.remove({ ...kinds.cronJob, name }, { orphans: true });
  }
  printSale(sale, given);
  return undefined;
}

/** Of a store or an API server that is away; all else is thrown. */
function reasonToWait(error: unknown): string {
  const isAway =
    error instanceof KubeError
      ? mayPass(error)
      : error instanceof EdgeError &&
        [undefined, 'unavailable', 'unreachable'].includes(error.outcome);
  if (!isAway) throw error;
  return (error as Error).message;
}

async function givenUp(product: string, remains: string, given: Invocation): Promise<CliError> {
  const verdict = await verdictAfter(product, 0, given).catch(() => undefined);
  const found = [...(verdict?.problems ?? []), ...(verdict?.waiting ?? [])];
  return new CliError(
    `${product} is still not settled, and this ends here: ${[remains, ...found].join('; ')}. ` +
      `\`kn-seckill sale close ${product}\` goes on, \`doctor\` says what keeps it`,
  );
}
