// `kn-seckill verify`: are the promises kept? Exits 0 where they are, 1 where one is broken, 2
// where it could not tell.

import { setTimeout } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Verdict } from '#lib/checker/facts.ts';
import {
  durationOption,
  type Invocation,
  type Io,
  invocation,
  withExamples,
  withTarget,
} from './command.ts';
import { type Edge, EdgeError } from './edge.ts';
import { CliError, exits, unanswered } from './exit.ts';
import { productId } from './product-id.ts';
import { list, printable } from './table.ts';

const pollMs = 500;
/** The edge gives up after a minute: the sale's events are read from a whole topic. */
const timeoutMs = 65_000;

export function addVerify(program: Command, io: Io): void {
  const verify = program
    .command('verify')
    .summary('check that nothing was oversold, lost or sold twice')
    .description(
      'Re-derives a sale from Redis, Kafka and MySQL, believing no counter, and compares. ' +
        'Waits a little while orders are on their way; a sale that is being bought from is ' +
        'judged by `reconcile`, or paused first. ' +
        'Exits 0: every promise holds; 1: one is broken, or there is no such sale; 2: it could ' +
        'not tell (still settling, a store or the system away).',
    )
    .argument('<product>', 'the product', productId)
    .addOption(durationOption('--wait <duration>', 'for what is under way', '10s'));
  withExamples(withTarget(verify), 'verify phone', 'verify phone -o json --wait 0s').action(
    async (product: string, { wait }: { wait: number }, command: Command) => {
      const given = invocation(command, io);
      const verdict = await verdictAfter(product, wait, given).catch((error: unknown) => {
        throw unanswered(error);
      });
      given.print(verdict, () => showVerdict(product, verdict));
      if (verdict.ok) return;
      if (verdict.settling) {
        throw new CliError(`could not tell: ${verdict.waiting.join('; ')}`, exits.unknown);
      }
      throw new CliError(
        `a promise about ${product} is broken, or Redis shows it wrong: ` +
          `\`kn-seckill reconcile ${product}\` tells which, and repairs what can be repaired`,
        exits.failed,
      );
    },
  );
}

/** The verdict, once nothing is under way or the time is over. */
export async function verdictAfter(
  product: string,
  wait: number,
  given: Invocation,
): Promise<Verdict> {
  const edge = given.edge();
  const deadline = performance.now() + wait;
  for (;;) {
    const verdict = await lookOnce(edge, product, Math.max(0, deadline - performance.now()));
    if (!verdict.known) {
      const message = `no store has heard of ${product}. \`kn-seckill sale list\` shows what there is`;
      throw new EdgeError(message, 'unknown_product');
    }
    if (!verdict.settling || performance.now() + pollMs > deadline) return verdict;
    given.say(`waiting: ${verdict.waiting.map(printable).join('; ')}`);
    await setTimeout(pollMs, undefined, { signal: given.io.interrupted });
  }
}

async function lookOnce(edge: Edge, product: string, retryForMs: number): Promise<Verdict> {
  const path = `/operator/sales/${product}/verify`;
  const verdict = await edge.ask<Verdict>({ method: 'GET', path, timeoutMs, retryForMs });
  if (typeof verdict.ok === 'boolean') return verdict;
  throw new EdgeError(`${edge.url} did not answer as seckill does. Is it the right address?`);
}

function showVerdict(product: string, verdict: Verdict): string {
  const { ok, settling } = verdict;
  const summary = ok ? 'every promise holds' : settling ? 'still settling' : 'NOT OK';
  const lines = [...verdict.problems, ...verdict.waiting].map((line) => `  ${printable(line)}\n`);
  const figures = list([
    ['stock', verdict.stock],
    ['sold', verdict.sold],
    ['rows', verdict.rows],
    ['units', verdict.units],
    ['oversold', verdict.oversold],
    ['lost', verdict.lost],
    ['duplicated', verdict.duplicated],
    ['ranked', verdict.ranked],
    ['pending', verdict.pending],
  ]);
  return `${product}: ${summary}\n${lines.join('')}${figures}`;
}
