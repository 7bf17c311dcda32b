// `kn-seckill erase`: removes a person from what the system keeps, after asking.

import type { Command } from 'commander';
import type { Erasure } from '#functions/purchase/operate/erase-user.ts';
import { type Invocation, type Io, invocation, withExamples, withTarget } from './command.ts';
import { CliError } from './exit.ts';
import { table } from './table.ts';

/** Sales are gone through one by one, and their boards made anew. */
const timeoutMs = 65_000;

const rest =
  'Kafka forgets the events of these sales when their time in the topics is over, backups when ' +
  'theirs is.';

export function addErase(program: Command, io: Io): void {
  const erase = program
    .command('erase')
    .summary('remove a person from all settled sales')
    .description(
      'Removes a person: in orders and on boards of settled sales a random name takes the place ' +
        'of the user id, for good. What was sold stays sold, and `verify` stays what it is. ' +
        'Refused while a sale that the person has bought in is not settled, or cannot be looked ' +
        `into: what Kafka has not delivered yet would bring the name back. ${rest}`,
    )
    .argument('<user>', 'the user id, as in the tokens (`sub`)')
    .option('--yes', 'do not ask');
  withExamples(withTarget(erase), 'erase ann', 'erase 1f0c7e6a --yes -o json').action(
    async (userId: string, { yes }: { yes?: boolean }, command: Command) => {
      const given = invocation(command, io);
      if (yes !== true) await confirm(given, userId);
      const request = { method: 'POST', path: '/operator/erase', body: { userId } } as const;
      const erasure = await given.edge().ask<Erasure>({ ...request, timeoutMs });
      given.print(erasure, () => show(erasure));
    },
  );
}

async function confirm({ io }: Invocation, userId: string): Promise<void> {
  const meaning = `This removes ${userId} from all settled sales, and cannot be undone.`;
  if (io.ask === undefined) {
    throw new CliError(`${meaning} Nobody is here to be asked: say it with --yes`);
  }
  const answer = await io.ask(`${meaning} Type "erase" to go on: `);
  if (answer.trim() !== 'erase') throw new CliError('nobody was erased');
}

function show({ sales }: Erasure): string {
  if (sales.length === 0) return 'No order has this user.\n';
  const rows = sales.map(({ productId, orders }) => [productId, orders]);
  return `${table(['PRODUCT', 'ORDERS'], rows)}${rest}\n`;
}
