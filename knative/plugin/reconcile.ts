// `kn-seckill reconcile`: compares a sale over all stores and repairs what is provably safe. Exits
// 0 where all is well or was repaired, 1 where something stays wrong, 2 where it could not tell.

import type { Command } from 'commander';
import type { Difference, Reconciliation } from '#lib/reconcile/report.ts';
import { type Invocation, type Io, invocation, withExamples, withTarget } from './command.ts';
import { EdgeError } from './edge.ts';
import { CliError, exits, unanswered } from './exit.ts';
import { productId } from './product-id.ts';
import { list, printable } from './table.ts';

/** The edge gives up after a minute: a large sale is read whole. */
const timeoutMs = 65_000;

export function addReconcile(program: Command, io: Io): void {
  const reconcile = program
    .command('reconcile')
    .summary('compare a sale over all stores and repair what differs')
    .description(
      'Compares what Redis, Kafka and MySQL hold of a sale, tells each difference, and repairs ' +
        'what is provably safe, while the sale goes on. The system does so itself every minute. ' +
        'Exits 0: consistent, or all repaired; 1: a promise is broken, a difference stands, or ' +
        'there is no such sale; 2: it could not tell (orders on their way, a store or the ' +
        'system away).',
    )
    .argument('<product>', 'the product', productId)
    .option('--dry-run', 'tell what differs and repair nothing');
  withExamples(withTarget(reconcile), 'reconcile phone', 'reconcile phone --dry-run').action(
    async (product: string, { dryRun }: { dryRun?: boolean }, command: Command) => {
      const given = invocation(command, io);
      const found = await ask(product, dryRun === true, given);
      given.print(found, () => showReconciliation(found));
      endWith(product, found);
    },
  );
}

async function ask(product: string, dryRun: boolean, given: Invocation): Promise<Reconciliation> {
  const path = `/operator/sales/${product}/reconcile${dryRun ? '?dryRun' : ''}`;
  try {
    const edge = given.edge();
    const found = await edge.ask<Reconciliation>({ method: 'POST', path, timeoutMs });
    if (typeof found.ok === 'boolean') return found;
    throw new EdgeError(`${edge.url} did not answer as seckill does. Is it the right address?`);
  } catch (error) {
    throw unanswered(error);
  }
}

function endWith(product: string, found: Reconciliation): void {
  if (found.ok) return;
  if (found.oversold + found.lost > 0) {
    throw new CliError(`a promise about ${product} is broken`, exits.failed);
  }
  const standing = found.differences.filter(({ repaired }) => !repaired).length;
  if (standing > 0) {
    throw new CliError(`${standing} differences of ${product} stand`, exits.failed);
  }
  throw new CliError(`could not tell: ${found.waiting.join('; ')}`, exits.unknown);
}

function showReconciliation(found: Reconciliation): string {
  const { productId: product, ok, differences, warnings, waiting, lag } = found;
  const summary = ok ? 'all stores agree' : waiting.length > 0 ? 'still settling' : 'NOT OK';
  const lines = [
    ...differences.map(showDifference),
    ...waiting,
    ...warnings.map((warning) => `warning: ${warningTexts[warning]}`),
  ];
  const figures = list([
    ['orders', found.orders],
    ['rows', found.rows],
    ['oversold', found.oversold],
    ['lost', found.lost],
    ['generation', found.generation],
    ['lag', `persist-order ${lag['persist-order']}, update-rank ${lag['update-rank']}`],
    ['compared', found.deep ? 'every order' : 'figures'],
  ]);
  return `${product}: ${summary}\n${lines.map((line) => `  ${printable(line)}\n`).join('')}${figures}`;
}

function showDifference({ code, found, repair, repaired }: Difference): string {
  const become = repaired ? `repaired: ${repair ?? ''}` : repair ? `needs: ${repair}` : 'stands';
  return `${code}: ${found} (${become})`;
}

const warningTexts: Readonly<Record<Reconciliation['warnings'][number], string>> = {
  redis_evicts: 'Redis may evict a sale: set its maxmemory-policy to noeviction',
  redis_keeps_no_aof: 'Redis keeps no AOF: each of its restarts has all sales rebuilt',
};
