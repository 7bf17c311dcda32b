// The dead letters that a command is about, and how they are shown.

import type { Invocation } from './command.ts';
import type { Selection } from './dead-letters.ts';
import { table } from './table.ts';
import { showMoment } from './time.ts';

export const lettersPath = '/operator/dead-letters';

/** What an operator decided about a letter. */
export interface Decision {
  readonly action: string;
  readonly operator: string;
  readonly operationId: string;
  readonly at: string;
}

/** A letter as the operator API tells it. */
export interface Letter {
  readonly id: string;
  readonly sink: string;
  readonly productId: string | null;
  readonly batchId: string | null;
  readonly type: string | null;
  readonly orders: number | null;
  readonly bytes: number;
  readonly acceptedAt: string | null;
  readonly diedAt: string | null;
  readonly where: string | null;
  readonly code: number | null;
  readonly reason: string | null;
  readonly ours: boolean;
  readonly readable: boolean;
  readonly decision: Decision | null;
}

export const limitMax = 100_000;
const pageMax = 500;
/** A page is read from the topic; a Kafka that is slow may take its time. */
const timeoutMs = 65_000;

/** Page by page, up to the limit; says how far it is where that takes long. */
export async function selectLetters(
  given: Invocation,
  { sink, product, limit }: Selection,
  all: boolean,
): Promise<Letter[]> {
  const edge = given.edge();
  const found: Letter[] = [];
  let after: string | null = null;
  do {
    const query = new URLSearchParams({
      ...(sink === undefined ? {} : { sink }),
      ...(product === undefined ? {} : { productId: product }),
      ...(all ? { all: 'true' } : {}),
      ...(after === null ? {} : { after }),
      limit: String(Math.min(pageMax, limit - found.length)),
    });
    const path = `${lettersPath}?${query.toString()}`;
    const page: { letters: Letter[]; next: string | null } = await edge.ask({
      ...{ method: 'GET', path, timeoutMs },
    });
    found.push(...page.letters);
    if (page.next !== null && page.next !== after && found.length < limit) {
      given.say(`${found.length} letters, looking on behind ${page.next}`);
    }
    after = page.next;
  } while (after !== null && found.length < limit);
  if (after !== null) given.say(`there may be more than ${limit}: --limit shows them`);
  return found;
}

export function showLetters(letters: readonly Letter[], all: boolean): string {
  if (letters.length === 0) return `No letters${all ? '' : ' are open'}.\n`;
  return table(
    ['ID', 'PRODUCT', 'BATCH', 'ORDERS', 'ACCEPTED', 'DIED', ...(all ? ['DECIDED'] : []), 'WHY'],
    letters.map((letter) => [
      ...[letter.id, letter.productId ?? '-', letter.batchId ?? '-', letter.orders ?? '-'],
      ...[showMoment(letter.acceptedAt), showMoment(letter.diedAt)],
      ...(all ? [showDecision(letter.decision)] : []),
      showReason(letter),
    ]),
  );
}

function showDecision(decision: Decision | null): string {
  if (decision === null) return 'open';
  return `${decision.action} by ${decision.operator}, ${showMoment(decision.at)}`;
}

function showReason(letter: Letter): string {
  const { where, code, reason } = letter;
  const said = [code === null ? 'no answer' : String(code), reason].filter((part) => part !== null);
  return `${said.join(' ')}${where === null ? '' : `, by ${where}`}${showOrigin(letter)}`;
}

function showOrigin({ ours, readable, type }: Letter): string {
  if (ours && readable) return '';
  const named = type === null ? '' : `, type ${type}`;
  if (!ours) return ` (not signed by us${named})`;
  return ` (signed by us${named}, cannot be read by this release: replay it once persist-order reads it)`;
}
