// The dead letters, page by page. A page costs a bounded reading whatever the topics hold, in
// steps between which buyers' turns go on; what it did not come to is left to the next one.

import { setImmediate } from 'node:timers/promises';
import type { KafkaAccess } from '#lib/kafka/access.ts';
import { type Place, type RawRecord, readRecords, readRecordsAt } from '#lib/kafka/read-records.ts';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { type Decision, decisionOf, readDecisions } from './decisions.ts';
import {
  type Letter,
  type LetterPlace,
  letterIdOf,
  letterOf,
  productIdOf,
  type Sink,
} from './letter.ts';

export interface LetterStores {
  readonly kafka: KafkaAccess;
  readonly mysql: MysqlClient;
  readonly signingKeys: readonly string[];
  /** Where each sink's dead letters lie. */
  readonly topics: Readonly<Record<Sink, string>>;
}

export interface LettersAsked {
  readonly sink?: Sink | undefined;
  readonly productId?: string | undefined;
  /** Those that have been decided, too. */
  readonly all: boolean;
  /** The last letter of the page before. */
  readonly after?: LetterPlace | undefined;
  readonly limit: number;
}

export interface ListedLetter extends Letter {
  readonly decision: Decision | null;
}

/** Fewer than asked for, even none, do not mean that there are no more: `next` says so. */
export interface LettersPage {
  readonly letters: readonly ListedLetter[];
  /** What to ask `after` for the next page; null where all has been read. */
  readonly next: string | null;
}

/** What one page may read. */
const recordsMax = 20_000;
const bytesMax = 64 * 1_024 * 1_024;
/** What is looked at in one go. */
const stepRecordsMax = 100;
const stepBytesMax = 1_024 * 1_024;

/**
 * Open letters (or `all`), by sink, partition and offset. Throws KafkaUnavailable and what MySQL
 * throws.
 */
export async function listLetters(stores: LetterStores, asked: LettersAsked): Promise<LettersPage> {
  const letters: ListedLetter[] = [];
  const budget = { records: recordsMax, bytes: bytesMax };
  for (const sink of sinksFrom(stores, asked)) {
    const from = asked.after?.sink === sink ? placeAfter(asked.after) : undefined;
    const topic = stores.topics[sink];
    let last: Place | undefined;
    for await (const step of stepsOf(readRecords({ ...stores, topic }, from), asked, budget)) {
      letters.push(...(await lettersIn(stores, sink, step.wanted, asked.all)));
      last = step.last;
      if (letters.length >= asked.limit || isSpent(budget)) break;
    }
    const page = letters.slice(0, asked.limit);
    // Perhaps nothing follows; then the next page is empty.
    if (letters.length >= asked.limit) return { letters: page, next: page.at(-1)?.id ?? null };
    if (last && isSpent(budget)) return { letters, next: letterIdOf({ ...last, sink }) };
  }
  return { letters, next: null };
}

/** The records at these places, by the letters' ids; those that are not there are missing. */
export async function findLetters(
  stores: LetterStores,
  places: readonly LetterPlace[],
): Promise<ReadonlyMap<string, RawRecord>> {
  const found = new Map<string, RawRecord>();
  for (const [sink, some] of Map.groupBy(places, (place) => place.sink)) {
    const topic = stores.topics[sink];
    for (const record of await readRecordsAt({ ...stores, topic }, some)) {
      found.set(letterIdOf({ ...record, sink }), record);
    }
  }
  return found;
}

function sinksFrom({ topics }: LetterStores, { sink, after }: LettersAsked): Sink[] {
  const sinks = Object.keys(topics) as Sink[];
  const first = after === undefined ? 0 : sinks.indexOf(after.sink);
  return sinks.slice(first).filter((one) => sink === undefined || one === sink);
}

const placeAfter = ({ partition, offset }: LetterPlace) => ({ partition, offset: offset + 1 });

interface Budget {
  records: number;
  bytes: number;
}

const isSpent = ({ records, bytes }: Budget) => records <= 0 || bytes <= 0;

/** The records in steps, of which only what is wanted is kept. */
async function* stepsOf(
  records: AsyncIterable<RawRecord>,
  { productId }: LettersAsked,
  budget: Budget,
): AsyncGenerator<{ readonly wanted: readonly RawRecord[]; readonly last: Place | undefined }> {
  let step = {
    wanted: [] as RawRecord[],
    count: 0,
    bytes: 0,
    last: undefined as Place | undefined,
  };
  for await (const record of records) {
    const bytes = record.value?.length ?? 0;
    budget.records -= 1;
    budget.bytes -= bytes;
    step.count += 1;
    step.bytes += bytes;
    step.last = { partition: record.partition, offset: record.offset };
    if (productId === undefined || productIdOf(record) === productId) step.wanted.push(record);
    const isFull = step.count >= stepRecordsMax || step.bytes >= stepBytesMax;
    if (!isFull && !isSpent(budget)) continue;
    yield step;
    await setImmediate();
    step = { wanted: [], count: 0, bytes: 0, last: undefined };
  }
  yield step;
}

async function lettersIn(
  { mysql, topics, signingKeys }: LetterStores,
  sink: Sink,
  records: readonly RawRecord[],
  all: boolean,
): Promise<ListedLetter[]> {
  const decisions = await readDecisions(mysql.db, topics[sink], records);
  return records
    .filter((record) => all || !decisions.has(record))
    .map((record) => {
      const row = decisions.get(record);
      return { ...letterOf(sink, record, signingKeys), decision: row ? decisionOf(row) : null };
    });
}
