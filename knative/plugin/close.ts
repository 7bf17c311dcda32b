// `kn-seckill sale close`: ends a sale and waits until every accepted order is a row.

import { setTimeout } from 'node:timers/promises';
import type { Command } from 'commander';
import {
  durationOption,
  type Invocation,
  type Io,
  invocation,
  withExamples,
  withTarget,
} from './command.ts';
import { CliError } from './exit.ts';
import { productId } from './product-id.ts';
import { printSale, type Sale } from './show-sale.ts';
import { endTick } from './tick.ts';

const pollMs = 1_000;
/** A close drains the outbox, and a warm may rebuild the sale, before they answer. */
export const slowTimeoutMs = 65_000;
const retryForMs = 10_000;

export function addClose(sale: Command, io: Io): void {
  const close = sale
    .command('close')
    .summary('end the sale and wait until it is settled')
    .description(
      'Ends the sale now, and waits until it is settled: every accepted order is a row in MySQL. ' +
        'Running it again goes on waiting. Exits 1 where it is not settled in time.',
    )
    .argument('<product>', 'the product', productId)
    .addOption(durationOption('--wait <duration>', 'how long to wait', '60s'));
  withExamples(withTarget(close), 'sale close phone', 'sale close phone --wait 5m').action(
    async (product: string, { wait }: { wait: number }, command: Command) => {
      const given = invocation(command, io);
      const { sale: closed, remains } = await closeSale(product, wait, given);
      printSale(closed, given);
      if (remains === undefined) await endTick(given);
      else {
        throw new CliError(
          `${product} is closed but not settled: ${remains}. Run it again to go on waiting`,
        );
      }
    },
  );
}

export interface Closed {
  readonly sale: Sale;
  /** What it is not settled for; undefined where it is. */
  readonly remains: string | undefined;
}

/** Resolves when it is settled, or the time is over. Throws CliError. */
export async function closeSale(
  product: string,
  waitMs: number,
  given: Invocation,
): Promise<Closed> {
  const path = `/operator/sales/${product}/close`;
  const edge = given.edge();
  const deadline = performance.now() + waitMs;
  for (;;) {
    // A store that is away for a moment ends no waiting that was asked for.
    const leftMs = Math.max(retryForMs, deadline - performance.now());
    const request = { method: 'POST', path, timeoutMs: slowTimeoutMs, retryForMs: leftMs } as const;
    const sale = await edge.ask<Sale>(request);
    if (sale.settled) return { sale, remains: undefined };
    const remains =
      sale.pending > 0
        ? `${sale.pending} orders are on their way to Kafka`
        : 'accepted orders are on their way to MySQL';
    if (performance.now() + pollMs > deadline) return { sale, remains };
    given.say(`${product} is closed; ${remains}`);
    await setTimeout(pollMs, undefined, { signal: given.io.interrupted });
  }
}
