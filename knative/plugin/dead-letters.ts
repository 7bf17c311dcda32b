// `kn-seckill dead-letters`: the events that a sink has refused, and what is decided about them.

import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  durationOption,
  type Io,
  invocation,
  wholeNumber,
  withExamples,
  withTarget,
} from './command.ts';
import { confirmDrop, type DropOptions, dropLetters } from './drop-letters.ts';
import { usageError } from './exit.ts';
import { productId } from './product-id.ts';
import { type ReplayOptions, replayLetters } from './replay-letters.ts';
import { limitMax, selectLetters, showLetters } from './select-letters.ts';

/** Which letters are meant: these, or those that the options choose. */
export interface Selection {
  readonly sink?: string;
  readonly product?: string;
  readonly allOpen?: boolean;
  readonly limit: number;
}

export function addDeadLetters(program: Command, io: Io): void {
  const letters = program
    .command('dead-letters')
    .summary('list, replay and drop the events that a sink has refused')
    .description(
      'Shows the events that persist-order or update-rank has refused, or not taken in time, and ' +
        'why; sends them again once that is mended, or drops them.',
    );
  addList(letters, io);
  addReplay(letters, io);
  addDrop(letters, io);
}

function addList(letters: Command, io: Io): void {
  const all = letters
    .command('list')
    .summary('list the letters that nobody has decided about')
    .description(
      'Lists the letters that nobody has replayed or dropped, by their ids: where each died, and ' +
        'why. The reason is the sink’s own.',
    )
    .option('--all', 'those that were decided, too: by whom, and when');
  withExamples(
    withTarget(withFilter(all)),
    'dead-letters list',
    'dead-letters list --product phone --all -o json',
  ).action(async (options: Selection & { readonly all?: boolean }, command: Command) => {
    const given = invocation(command, io);
    const { all: decidedToo = false } = options;
    const found = await selectLetters(given, options, decidedToo);
    given.print(found, () => showLetters(found, decidedToo));
  });
}

function addReplay(letters: Command, io: Io): void {
  const replay = letters
    .command('replay')
    .summary('send letters again, once what was wrong is mended')
    .description(
      'Publishes letters again, byte for byte, and waits until both sinks have answered. Orders ' +
        'that have a row already get no second one, so it is safe to repeat. ' +
        'Exits 0: no letter came back; 1: some did, or were refused; 2: it could not tell.',
    )
    .argument('[ids...]', 'letters, by their ids', letterIds)
    .option('--force', 'also what no key of ours has signed, or what was decided before')
    .option('--no-wait', 'only publish')
    .addOption(durationOption('--timeout <duration>', 'how long to wait for the sinks', '60s'));
  withExamples(
    withTarget(withChoice(replay)),
    'dead-letters replay persist-order/0/17',
    'dead-letters replay --product phone',
    'dead-letters replay --all-open --sink update-rank --no-wait',
  ).action(async (ids: string[], options: Selection & ReplayOptions, command: Command) => {
    requireChoice(ids, options);
    const given = invocation(command, io);
    const chosen = ids.length > 0 ? ids : idsOf(await selectLetters(given, options, false));
    await replayLetters(given, chosen, options);
  });
}

function addDrop(letters: Command, io: Io): void {
  const drop = letters
    .command('drop')
    .summary('say that letters are never to be consumed')
    .description(
      'Says "never" to letters: nothing sends them again. An accepted order in them that has no ' +
        'row gets none, and `verify` calls it lost until the sale is rebuilt, which puts its units ' +
        'on sale again. Before that, `replay --force` takes the decision back: what was dropped is ' +
        'in Kafka for as long as the topic keeps it.',
    )
    .argument('[ids...]', 'letters, by their ids', letterIds)
    .option('--yes', 'do not ask');
  withExamples(
    withTarget(withChoice(drop)),
    'dead-letters drop persist-order/0/17',
    'dead-letters drop --all-open --product phone --yes',
  ).action(async (ids: string[], options: Selection & DropOptions, command: Command) => {
    requireChoice(ids, options);
    const given = invocation(command, io);
    const chosen = ids.length > 0 ? ids : idsOf(await selectLetters(given, options, false));
    await confirmDrop(given, chosen.length, options);
    await dropLetters(given, chosen);
  });
}

const idsOf = (letters: readonly { readonly id: string }[]) => letters.map(({ id }) => id);

function withFilter(command: Command): Command {
  return command
    .addOption(
      new Option('--sink <sink>', 'only of this sink').choices(['persist-order', 'update-rank']),
    )
    .option('--product <id>', 'only of this product', productId)
    .option('--limit <n>', 'at most so many', wholeNumber(1, limitMax), 100);
}

function withChoice(command: Command): Command {
  return withFilter(command).option('--all-open', 'all that are open, up to the limit');
}

/** Nobody replays or drops everything by leaving something out. */
function requireChoice(ids: readonly string[], { sink, product, allOpen }: Selection): void {
  const byOptions = sink !== undefined || product !== undefined || allOpen === true;
  if (ids.length > 0 && byOptions) {
    throw usageError('say which letters by their ids, or by options, not by both');
  }
  if (ids.length === 0 && !byOptions) {
    throw usageError('say which letters: their ids, --sink, --product or --all-open');
  }
}

function letterIds(id: string, before: readonly string[] | undefined): string[] {
  if (!/^(persist-order|update-rank)\/\d{1,9}\/\d{1,15}$/.test(id)) {
    throw new InvalidArgumentError('A letter is named like persist-order/0/17.');
  }
  return [...new Set([...(before ?? []), id])];
}
