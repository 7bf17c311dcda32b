// `kn-seckill dead-letters replay`: sends letters again, waits until both sinks have answered for
// them, and says how many orders became rows and which letters came back.

import { setTimeout } from 'node:timers/promises';
import type { ReplayProgress } from '#functions/purchase/dead-letters/replay-progress.ts';
import type { Invocation } from './command.ts';
import { decideLetters, type Part, requireAll, showDecided } from './decide-letters.ts';
import type { Edge } from './edge.ts';
import { CliError, exits } from './exit.ts';
import { lettersPath } from './select-letters.ts';
import { list } from './table.ts';

export interface ReplayOptions {
  readonly force?: boolean;
  readonly wait: boolean;
  readonly timeout: number;
}

const pollMs = 500;

export async function replayLetters(
  given: Invocation,
  ids: readonly string[],
  { force = false, wait, timeout }: ReplayOptions,
): Promise<void> {
  const edge = given.edge();
  const parts = await decideLetters(given, edge, 'replay', ids, { force }).catch(
    (error: unknown) => {
      throw given.io.interrupted.aborted ? ended() : error;
    },
  );
  const letters = parts.flatMap((part) => part.letters);
  const published = parts.filter((part) => countOf(part) > 0);
  const came = wait
    ? await awaitDelivery(given, edge, published, timeout).catch((error: unknown) => {
        given.print({ letters }, () => showDecided(letters));
        throw asUnknown(given, error);
      })
    : undefined;
  given.print({ letters, ...came }, () => showDecided(letters) + (came ? showCame(came) : ''));
  if (came && came.deadAgain.length > 0) {
    const { length } = came.deadAgain;
    const back = length === 1 ? '1 letter' : `${length} letters`;
    throw new CliError(`${back} came back: \`kn-seckill dead-letters list\` says why`);
  }
  requireAll(letters, 'replayed');
  if (came && came.rows < came.orders) {
    const lacking = came.orders - came.rows;
    given.io.err(
      `${lacking === 1 ? '1 order has no row: it is' : `${lacking} orders have no row: they are`} ` +
        'of a sale that was loaded anew since, before which nobody was told of an acceptance\n',
    );
  }
}

const countOf = ({ letters }: Part) => letters.filter(({ result }) => result === 'replayed').length;

interface Came {
  readonly orders: number;
  readonly rows: number;
  readonly deadAgain: readonly string[];
}

/** What came of all parts, once both sinks have answered for them. */
async function awaitDelivery(
  given: Invocation,
  edge: Edge,
  parts: readonly Part[],
  timeoutMs: number,
): Promise<Came> {
  const deadline = performance.now() + timeoutMs;
  let came: Came = { orders: 0, rows: 0, deadAgain: [] };
  for (const { operationId } of parts) {
    for (;;) {
      const path = `${lettersPath}/replays/${operationId}`;
      const retryForMs = Math.max(0, deadline - performance.now());
      const progress = await edge.ask<ReplayProgress>({ method: 'GET', path, retryForMs });
      const { delivered, orders, rows, deadAgain, lag } = progress;
      if (delivered) {
        came = {
          orders: came.orders + (orders ?? 0),
          rows: came.rows + (rows ?? 0),
          deadAgain: [...came.deadAgain, ...(deadAgain ?? [])],
        };
        break;
      }
      const open = Object.entries(lag).map(([sink, events]) => `${sink} ${events}`);
      if (performance.now() + pollMs > deadline) {
        throw new CliError(
          `could not tell: events wait for ${open.join(', ')}. They are published and will be ` +
            'delivered; `kn-seckill dead-letters list` shows what comes back',
          exits.unknown,
        );
      }
      given.say(`published; events before the sinks’ answers: ${open.join(', ')}`);
      await setTimeout(pollMs, undefined, { signal: given.io.interrupted });
    }
  }
  return came;
}

/** What was published is published, whoever does not answer afterwards. */
function asUnknown({ io }: Invocation, error: unknown): unknown {
  if (io.interrupted.aborted) return ended();
  return error instanceof CliError ? new CliError(error.message, exits.unknown) : error;
}

/** By Ctrl-C: to run it again would tell of letters that are decided, not of what came of them. */
function ended(): CliError {
  return new CliError(
    'ended by you; what was published will be delivered: ' +
      '`kn-seckill dead-letters list` shows what comes back, and what is still open',
    exits.interrupted,
  );
}

function showCame({ orders, rows, deadAgain }: Came): string {
  return list([
    ['orders', orders],
    ['rows', rows],
    ['came back', deadAgain.length === 0 ? 'none' : deadAgain.join(', ')],
  ]);
}
