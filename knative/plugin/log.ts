// `kn-seckill sale log`: who changed what of a sale, and when.

import type { Command } from 'commander';
import { type Io, invocation, wholeNumber, withExamples, withTarget } from './command.ts';
import { productId } from './product-id.ts';
import { table } from './table.ts';
import { showMoment } from './time.ts';

/** A line of the audit log as the operator API tells it. */
export interface AuditLine {
  readonly operationId: string;
  readonly operator: string;
  readonly action: string;
  readonly at: string;
  readonly details: Readonly<Record<string, unknown>>;
}

const linesMax = 1_000;

export function addLog(sale: Command, io: Io): void {
  const log = sale
    .command('log')
    .summary('show who changed what of a sale, and when')
    .description('Shows the audit log of a sale, the newest change last: who, what, when.')
    .argument('<product>', 'the product', productId)
    .option('--limit <n>', 'the last so many changes', wholeNumber(1, linesMax), 200);
  withExamples(withTarget(log), 'sale log phone', 'sale log phone -o json').action(
    async (product: string, { limit }: { limit: number }, command: Command) => {
      const given = invocation(command, io);
      const path = `/operator/sales/${product}/log?limit=${limit}`;
      const { log: lines } = await given.edge().ask<{ log: AuditLine[] }>({ method: 'GET', path });
      given.print(lines, () => showLog(lines));
    },
  );
}

function showLog(lines: readonly AuditLine[]): string {
  if (lines.length === 0) return 'Nobody has changed this sale.\n';
  return table(
    ['WHEN', 'WHO', 'WHAT', 'OPERATION', 'DETAILS'],
    lines.map(({ at, operator, action, operationId, details }) => [
      ...[showMoment(at), operator, action, operationId],
      showDetails(details),
    ]),
  );
}

function showDetails(details: AuditLine['details']): string {
  return Object.entries(details)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
}
