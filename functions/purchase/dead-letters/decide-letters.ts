// Replays dead letters, or drops them. Both are decisions: noted in MySQL with a line in the audit
// log, after which the letter is not open any more.

import { createHash } from 'node:crypto';
import type { EventProducer, RawMessage } from '#lib/kafka/producer.ts';
import type { RawRecord } from '#lib/kafka/read-records.ts';
import { markTopics, type TopicEnds } from '#lib/kafka/topic-marks.ts';
import { mysqlErrorOf } from '#lib/mysql/error.ts';
import { type Action, Conflict, type Operation, record } from '../operate/operation.ts';
import { countThatFit } from '../sell/publish.ts';
import {
  type Decision,
  type DecisionRow,
  decisionOf,
  readDecisions,
  readOperation,
  writeDecisions,
} from './decisions.ts';
import {
  batchIdOf,
  isOurs,
  type LetterPlace,
  letterIdOf,
  messageOf,
  productIdOf,
} from './letter.ts';
import { findLetters, type LetterStores } from './list-letters.ts';

export interface DecideDependencies extends LetterStores {
  readonly ordersTopic: string;
  /** A producer for one replay, so that no letter ever disturbs what buyers wait for. */
  readonly connect: () => Promise<EventProducer>;
}

/** What is done about letters that have been decided before, or are not ours. */
export interface Decided {
  readonly id: string;
  readonly result: 'replayed' | 'dropped' | 'already_decided' | 'refused';
  /** Why nothing was done. */
  readonly reason?: string;
  /** What stands about the letter. */
  readonly decision?: Decision;
}

/** No letter has this id. */
export class UnknownLetter extends Error {
  override readonly name = 'UnknownLetter';
}

/** A letter, its record, and what stands about it. */
interface Case {
  readonly place: LetterPlace;
  readonly record: RawRecord;
  readonly before: DecisionRow | undefined;
}

/** What the audit log keeps of a replay, by which its end is awaited. */
export interface ReplayDetails {
  /** Where the topic of orders ended when all was published. */
  readonly awaited: TopicEnds;
  /** Where the dead letters ended before. */
  readonly deadEnds: TopicEnds;
}

const actions = { replayed: 'replay_letters', dropped: 'drop_letters' } as const satisfies Record<
  DecisionRow['action'],
  Action
>;

/**
 * Publishes letters to the topic of orders, and notes it. Both sinks get them, also the one that
 * took the event before: each knows by the orders' ids what it has. So a crash between the two
 * is harmless: the letter stays open, and may be replayed once more.
 *
 * Refuses what is not signed by a key of ours, since no sink would take it. With `force` that goes
 * out, too, and so does what has been decided before. What is signed but cannot be read by this
 * release may be sent: at worst it comes back as another letter. Throws UnknownLetter, Conflict,
 * KafkaUnavailable and what MySQL throws.
 */
export async function replayLetters(
  dependencies: DecideDependencies,
  places: readonly LetterPlace[],
  operation: Operation,
  force: boolean,
): Promise<Decided[]> {
  const { kafka, ordersTopic, topics, signingKeys } = dependencies;
  const cases = await casesOf(dependencies, places);
  const isFit = ({ record: letter }: Case) => force || isOurs(letter, signingKeys);
  const asked = { action: 'replayed', force, isFit } as const;
  return decide(dependencies, cases, operation, asked, async (chosen) => {
    const { ends: deadEnds } = await markTopics(kafka, Object.values(topics));
    const messages = chosen.map(({ place, record: letter }) => messageOf(place.sink, letter));
    await publish(dependencies, messages);
    const { ends } = await markTopics(kafka, [ordersTopic]);
    const partitions = new Set(messages.map(({ partition }) => String(partition)));
    const awaited = Object.entries(ends[ordersTopic] ?? {}).filter(([id]) => partitions.has(id));
    return { deadEnds, awaited: { [ordersTopic]: Object.fromEntries(awaited) } };
  });
}

/**
 * Says "never" to letters: nothing sends them again. An accepted order that has no row is lost,
 * and its units are sold again once the sale is rebuilt. Throws UnknownLetter, Conflict,
 * KafkaUnavailable and what MySQL throws.
 */
export async function dropLetters(
  dependencies: DecideDependencies,
  places: readonly LetterPlace[],
  operation: Operation,
): Promise<Decided[]> {
  const cases = await casesOf(dependencies, places);
  const asked = { action: 'dropped', force: false, isFit: () => true } as const;
  return decide(dependencies, cases, operation, asked, () => Promise.resolve({}));
}

async function casesOf(
  stores: LetterStores,
  places: readonly LetterPlace[],
): Promise<readonly Case[]> {
  const found = await findLetters(stores, places);
  const cases = places.map((place) => {
    const letter = found.get(letterIdOf(place));
    if (!letter) throw new UnknownLetter(letterIdOf(place));
    return { place, record: letter, before: undefined };
  });
  return asDecided(stores, cases);
}

/** The same with what stands about each now. */
async function asDecided(stores: LetterStores, cases: readonly Case[]): Promise<readonly Case[]> {
  const rows = new Map<RawRecord, DecisionRow>();
  for (const [sink, some] of Map.groupBy(cases, ({ place }) => place.sink)) {
    const records = some.map(({ record: letter }) => letter);
    const read = await readDecisions(stores.mysql.db, stores.topics[sink], records);
    for (const [letter, row] of read) rows.set(letter, row);
  }
  return cases.map((one) => ({ ...one, before: rows.get(one.record) }));
}

interface Asked {
  readonly action: DecisionRow['action'];
  readonly force: boolean;
  readonly isFit: (one: Case) => boolean;
}

async function decide(
  dependencies: DecideDependencies,
  cases: readonly Case[],
  operation: Operation,
  asked: Asked,
  carryOut: (chosen: readonly Case[]) => Promise<Partial<ReplayDetails>>,
): Promise<Decided[]> {
  const { mysql } = dependencies;
  const ids = cases.map(({ place }) => letterIdOf(place));
  const digest = createHash('sha256')
    .update(JSON.stringify([ids, asked.force]))
    .digest('hex');
  const isDone = async () => {
    const line = await readOperation(mysql.db, operation);
    const { asked: before } = (line?.details ?? {}) as { readonly asked?: unknown };
    if (!line) return false;
    if (line.action === actions[asked.action] && before === digest) return true;
    throw new Conflict(`this operation id was used before: ${line.action}`);
  };
  const chosen = cases.filter((one) => (asked.force || !one.before) && asked.isFit(one));
  if (chosen.length > 0 && !(await isDone())) {
    const details = { asked: digest, ...(await carryOut(chosen)) };
    try {
      await note(dependencies, chosen, operation, { ...asked, details });
    } catch (error) {
      // The same operation, sent twice at once: the other one has noted it.
      if (mysqlErrorOf(error).code !== 'ER_DUP_ENTRY' || !(await isDone())) throw error;
    }
  }
  const now = await asDecided(dependencies, cases);
  return now.map((one) => decidedOf(one, operation, asked));
}

function decidedOf({ place, before: now }: Case, operation: Operation, asked: Asked): Decided {
  const id = letterIdOf(place);
  if (!now) return { id, result: 'refused', reason: notOurs };
  const decision = decisionOf(now);
  const isMine = now.operationId === operation.operationId && now.action === asked.action;
  if (isMine) return { id, result: now.action, decision };
  return { id, result: 'already_decided', reason: `it was ${now.action} before`, decision };
}

const notOurs =
  'no key of ours has signed it, so that no sink will take it: put a retired key back as the ' +
  'second of SECKILL_SIGNING_KEYS, or drop it';

/** One transaction: every letter's decision, and a line in the audit log for each product. */
async function note(
  { mysql, topics, signingKeys }: DecideDependencies,
  chosen: readonly Case[],
  operation: Operation,
  { action, force, details }: Asked & { readonly details: object },
): Promise<void> {
  const at = Date.now() * 1_000;
  const rows = chosen.map(
    ({ place, record: letter }): DecisionRow => ({
      ...{ topic: topics[place.sink], partition: place.partition, offset: place.offset },
      ...{ diedMs: letter.timestampMs, productId: productIdOf(letter) ?? null },
      // What others call a batch of ours is none: it decides nothing about ours.
      batchId: isOurs(letter, signingKeys) ? (batchIdOf(letter) ?? null) : null,
      ...{ action, ...operation, at },
    }),
  );
  await mysql.db.transaction(async (transaction) => {
    // Letters that tell of no product are in the log, too, under none.
    const byProduct = Map.groupBy(chosen, ({ record: letter }) => productIdOf(letter) ?? '');
    for (const [index, [productId, some]] of [...byProduct].entries()) {
      const { operationId } = operation;
      const one = {
        ...operation,
        operationId: index === 0 ? operationId : `${operationId}.${index}`,
      };
      const letters = some.map(({ place }) => letterIdOf(place));
      const told = { letters, ...(index === 0 ? details : {}) };
      await record(transaction, productId, actions[action], one, told);
    }
    await writeDecisions(transaction, rows, force);
  });
}

/** As many sends as it takes, one after the other, by a producer of its own. */
async function publish(
  { connect, ordersTopic }: DecideDependencies,
  messages: readonly RawMessage[],
): Promise<void> {
  const producer = await connect();
  try {
    for (let left = messages; left.length > 0; ) {
      const count = countThatFit(left, (message) => message);
      await producer.send(ordersTopic, left.slice(0, count));
      left = left.slice(count);
    }
  } finally {
    producer.discard();
  }
}
