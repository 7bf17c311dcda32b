// `kn-seckill dead-letters drop`: says never, after asking.

import type { Invocation } from './command.ts';
import { decideLetters, requireAll, showDecided } from './decide-letters.ts';
import { CliError } from './exit.ts';

export interface DropOptions {
  readonly yes?: boolean;
}

/** Throws unless the operator has said so: by `--yes`, or by typing it on a terminal. */
export async function confirmDrop(
  given: Invocation,
  count: number,
  { yes }: DropOptions,
): Promise<void> {
  if (yes === true || count === 0) return;
  const [what, where] = count === 1 ? ['1 letter', 'it'] : [`${count} letters`, 'them'];
  const meaning =
    `This drops ${what} for good: an accepted order in ${where} that has no row gets none, and ` +
    '`verify` calls it lost until the sale is rebuilt, which puts its units on sale again.';
  if (given.io.ask === undefined) {
    throw new CliError(`${meaning} Nobody is here to be asked: say it with --yes`);
  }
  const answer = await given.io.ask(`${meaning} Type "drop" to go on: `);
  if (answer.trim() !== 'drop') throw new CliError('nothing was dropped');
}

export async function dropLetters(given: Invocation, ids: readonly string[]): Promise<void> {
  const parts = await decideLetters(given, given.edge(), 'drop', ids);
  const letters = parts.flatMap((part) => part.letters);
  given.print({ letters }, () => showDecided(letters));
  requireAll(letters, 'dropped');
}
