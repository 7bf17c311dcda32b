// The clients' own log, read back: every answer as it came, and what each purchase was told in the
// end. Pure but for the reading.

import { readFileSync } from 'node:fs';
import type { Purchase, Told } from '#knative/e2e/buyers.ts';
import type { AnswerLine } from './run-file.ts';

/** One key of one user for one product, however often it was sent. */
export interface LoggedPurchase extends Purchase {
  readonly productId: string;
  /** How often it was answered 202; 0 where that answer was lost and 200 told. */
  readonly acceptances: number;
}

/** Throws where a line is something else: then nothing can be said about the run. */
export function readAnswers(file: string): AnswerLine[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  // The last line ends with a newline, too.
  if (lines.pop() !== '') throw new Error(`${file} ends in the middle of a line`);
  return lines.map((line) => {
    try {
      return JSON.parse(line) as AnswerLine;
    } catch {
      throw new Error(`${file} has a line that is no answer: ${line.slice(0, 80)}`);
    }
  });
}

/** What became of each purchase, in the order in which they were first answered. */
export function purchasesOf(answers: readonly AnswerLine[]): LoggedPurchase[] {
  const byPurchase = new Map<string, AnswerLine[]>();
  for (const answer of answers) {
    const name = `${answer.productId} ${answer.userId} ${answer.key}`;
    const earlier = byPurchase.get(name);
    if (earlier === undefined) byPurchase.set(name, [answer]);
    else earlier.push(answer);
  }
  return [...byPurchase.values()].map(purchaseOf);
}

function purchaseOf(answers: readonly AnswerLine[]): LoggedPurchase {
  const [first, last] = [answers.at(0), answers.at(-1)];
  if (first === undefined || last === undefined) throw new Error('a purchase has an answer');
  const { productId, userId, key } = first;
  // An acceptance stays one, whatever was said after it.
  const telling = answers.find(isAcceptance) ?? last;
  return {
    ...{ productId, userId, key, told: toldBy(telling), attempts: answers.length },
    tookMs: telling.atMs - (first.atMs - first.tookMs),
    toldAtMs: telling.atMs,
    acceptances: answers.filter(({ status }) => status === 202).length,
  };
}

function toldBy(answer: AnswerLine): Told {
  const { status, outcome, orderId } = answer;
  if (isAcceptance(answer)) return { kind: 'accepted', orderId };
  return isUnknown(answer) ? { kind: 'unserved', status } : { kind: 'refused', status, outcome };
}

export function isAcceptance({ status }: Pick<AnswerLine, 'status'>): boolean {
  return status === 200 || status === 202;
}

/** After which the buyer does not know: the order may be there, or come. */
export function isUnknown({ status }: Pick<AnswerLine, 'status'>): boolean {
  return status === 0 || status >= 500;
}
