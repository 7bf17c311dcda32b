// Asks for decisions about many letters, some at a time. Each part is an operation of its own, so
// that one which is sent again is made once.

import type { Decided } from '#functions/purchase/dead-letters/decide-letters.ts';
import type { Invocation } from './command.ts';
import type { Edge } from './edge.ts';
import { CliError } from './exit.ts';
import { lettersPath } from './select-letters.ts';
import { table } from './table.ts';
import { showMoment } from './time.ts';

export interface Part {
  /** The part's own operation id. */
  readonly operationId: string;
  readonly letters: readonly Decided[];
}

const atOnce = 100;
const timeoutMs = 65_000;

export async function decideLetters(
  given: Invocation,
  edge: Edge,
  action: 'replay' | 'drop',
  ids: readonly string[],
  more: object = {},
): Promise<Part[]> {
  const parts: Part[] = [];
  for (let at = 0; at < ids.length; at += atOnce) {
    const part = parts.length + 1;
    const { letters } = await edge.ask<{ letters: Decided[] }>({
      ...{ method: 'POST', path: `${lettersPath}/${action}`, timeoutMs, part },
      body: { ids: ids.slice(at, at + atOnce), ...more },
    });
    parts.push({ operationId: edge.operationIdOf(part), letters });
    if (ids.length > atOnce)
      given.say(`${Math.min(at + atOnce, ids.length)} of ${ids.length} letters`);
  }
  return parts;
}

export function showDecided(letters: readonly Decided[]): string {
  if (letters.length === 0) return 'No letters are open.\n';
  return table(
    ['ID', 'RESULT', 'WHY'],
    letters.map(({ id, result, reason, decision }) => {
      const by =
        decision && `${decision.action} by ${decision.operator}, ${showMoment(decision.at)}`;
      return [id, result, result === 'already_decided' ? (by ?? '') : (reason ?? '')];
    }),
  );
}

/** Throws where one was refused, or was decided before. */
export function requireAll(letters: readonly Decided[], wanted: string): void {
  const others = letters.filter(({ result }) => result !== wanted);
  if (others.length === 0) return;
  throw new CliError(`${others.length} of ${letters.length} letters were not ${wanted}`);
}
