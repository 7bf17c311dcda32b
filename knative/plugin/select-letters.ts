// The dead letters that a command is about, and how they are shown.

import type { Decision } from '#functions/purchase/dead-letters/decisions.ts';
import type { LettersPage, ListedLetter } from '#functions/purchase/dead-letters/list-letters.ts';
import type { Invocation } from './command.ts';
import type { Selection } from './dead-letters.ts';
import { table } from './table.ts';
import { showMoment } from './time.ts';

export const lettersPath = '/operator/dead-letters';

export const limitMax = 100_000;
const pageMax = 500;
/** A page is read from the topic; a Kafka that is slow may take its time. */
const timeoutMs = 65_000;

/** Page by page, up to the limit; says how far it is where that takes long. */
export async function selectLetters(
  given: Invocation,
  { sink, product, limit }: Selection,
  all: boolean,
): Promise<ListedLetter[]> {
  const edge = given.edge();
  const found: ListedLetter[] = [];
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
    const page: LettersPage = await edge.ask({
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

export function showLetters(letters: readonly ListedLetter[], all: boolean): string {
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

function showReason(letter: ListedLetter): string {
  const { where, code, reason } = letter;
  const said = [code === null ? 'no answer' : String(code), reason].filter((part) => part !== null);
  return `${said.join(' ')}${where === null ? '' : `, by ${where}`}${showOrigin(letter)}`;
}

function showOrigin({ ours, readable, type }: ListedLetter): string {
  if (ours && readable) return '';
  const named = type === null ? '' : `, type ${type}`;
  if (!ours) return ` (not signed by us${named})`;
  return ` (signed by us${named}, cannot be read by this release: replay it once persist-order reads it)`;
}
