// What became of a replay: whether both groups have got past what it published, and then, how many
// orders are rows and which letters came back.

import { lagOf, type Progress } from '#lib/kafka/read-progress.ts';
import { type RawRecord, readRecordsSince } from '#lib/kafka/read-records.ts';
import type { TopicEnds } from '#lib/kafka/topic-marks.ts';
import type { consumerGroups } from '#lib/names.ts';
import { readRowsOf } from '#lib/reconcile/facts.ts';
import type { ReplayDetails } from './decide-letters.ts';
import { decidedBy, readOperation } from './decisions.ts';
import { batchIdOf, letterIdOf, ordersIn, type Sink } from './letter.ts';
import { findLetters, type LetterStores } from './list-letters.ts';

type Group = keyof typeof consumerGroups;

export interface ProgressDependencies extends LetterStores {
  readonly ordersTopic: string;
  readonly groups: Readonly<Record<Group, string>>;
  readonly readProgress: () => Promise<Progress>;
}

export interface ReplayProgress {
  readonly operationId: string;
  readonly letters: number;
  /** Events that each group has not answered for, of those up to the last that was published. */
  readonly lag: Readonly<Record<Group, number>>;
  /** Both have answered for all. */
  readonly delivered: boolean;
  /** Told once all is delivered: orders in the letters, and how many of them have a row. */
  readonly orders: number | null;
  readonly rows: number | null;
  /** Letters of these events that came since. */
  readonly deadAgain: readonly string[] | null;
}

/** Of new letters, so many are looked at. */
const newLettersMax = 20_000;
const toldMax = 100;

/** Undefined where no replay has this id. Throws KafkaUnavailable and what MySQL throws. */
export async function replayProgress(
  dependencies: ProgressDependencies,
  operationId: string,
): Promise<ReplayProgress | undefined> {
  const { mysql, ordersTopic } = dependencies;
  const line = await readOperation(mysql.db, { operationId });
  if (line?.action !== 'replay_letters') return undefined;
  const { awaited, deadEnds } = line.details as ReplayDetails;
  const lag = await lagsOf(dependencies, awaited[ordersTopic] ?? {});
  const decisions = await decidedBy(mysql, operationId);
  const known = { operationId, letters: decisions.length, lag };
  if (Object.values(lag).some((events) => events > 0)) {
    return { ...known, delivered: false, orders: null, rows: null, deadAgain: null };
  }
  const sinkOf = new Map(Object.entries(dependencies.topics).map(([sink, topic]) => [topic, sink]));
  const places = decisions.map(({ topic, partition, offset }) => ({
    ...{ sink: sinkOf.get(topic) as Sink, partition, offset },
  }));
  const records = [...(await findLetters(dependencies, places)).values()];
  const orders = new Set(records.flatMap(({ value }) => ordersIn(value) ?? []));
  const rows = await readRowsOf(mysql, [...orders]);
  return {
    ...known,
    ...{ delivered: true, orders: orders.size, rows: rows.size },
    deadAgain: await diedAgain(dependencies, deadEnds, records),
  };
}

async function lagsOf(
  { readProgress, groups }: ProgressDependencies,
  awaited: Readonly<Record<string, number>>,
): Promise<Readonly<Record<Group, number>>> {
  const progress = await readProgress();
  const ends = new Map(Object.entries(awaited).map(([partition, end]) => [Number(partition), end]));
  const of = (group: Group) => lagOf(groups[group], progress, ends);
  return { 'persist-order': of('persist-order'), 'update-rank': of('update-rank') };
}

/** A source answers for an event after its letter is written, so all are there. */
async function diedAgain(
  stores: ProgressDependencies,
  deadEnds: TopicEnds,
  replayed: readonly RawRecord[],
): Promise<string[]> {
  const batches = new Set(replayed.map(batchIdOf));
  const ids: string[] = [];
  for (const [sink, topic] of Object.entries(stores.topics)) {
    let left = newLettersMax;
    for await (const record of readRecordsSince({ ...stores, topic }, deadEnds[topic] ?? {})) {
      if (batches.has(batchIdOf(record)) && ids.length < toldMax) {
        ids.push(letterIdOf({ ...record, sink: sink as Sink }));
      }
      left -= 1;
      if (left === 0) break;
    }
  }
  return ids;
}
