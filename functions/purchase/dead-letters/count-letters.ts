// How many dead letters nobody has decided about, by sink: from the topics' ends, so that it costs
// the same however many there are.

import { and, count, eq, gte, or } from 'drizzle-orm';
import { openCluster } from '#lib/kafka/cluster.ts';
import { positionsIn } from '#lib/kafka/topic-marks.ts';
import { KafkaUnavailable } from '#lib/kafka/unavailable.ts';
import { deadLetterDecisions as decisions } from '#lib/mysql/schema.ts';
import type { Sink } from './letter.ts';
import type { LetterStores } from './list-letters.ts';

const countTimeoutMs = 5_000;

/** Throws KafkaUnavailable, and what MySQL throws. */
export async function countOpenLetters(
  stores: Omit<LetterStores, 'signingKeys'>,
): Promise<Readonly<Record<Sink, number>>> {
  const entries = Object.entries(stores.topics) as [Sink, string][];
  const held = await partitionsOf(stores, Object.values(stores.topics));
  const counts = entries.map(async ([sink, topic]) => {
    const partitions = held.get(topic) ?? [];
    if (partitions.length === 0) return [sink, 0] as const;
    const letters = partitions.reduce((sum, { next, end }) => sum + end - next, 0);
    // What Kafka has forgotten since is no letter any more.
    const kept = partitions.map(({ partition, next }) =>
      and(eq(decisions.partition, partition), gte(decisions.offset, next)),
    );
    const [decided] = await stores.mysql.db
      .select({ count: count() })
      .from(decisions)
      .where(and(eq(decisions.topic, topic), or(...kept)));
    return [sink, Math.max(0, letters - (decided?.count ?? 0))] as const;
  });
  return Object.fromEntries(await Promise.all(counts)) as Record<Sink, number>;
}

async function partitionsOf({ kafka }: Pick<LetterStores, 'kafka'>, topics: readonly string[]) {
  try {
    const options = { kafka, isolationLevel: 0, timeoutMs: countTimeoutMs } as const;
    const { cluster, persistently, close } = await openCluster(options, topics);
    try {
      const held = new Map<string, Awaited<ReturnType<typeof positionsIn>>>();
      for (const topic of topics) {
        held.set(topic, await persistently(() => positionsIn(cluster, topic, undefined)));
      }
      return held;
    } finally {
      close();
    }
  } catch (error) {
    throw new KafkaUnavailable('the dead letters could not be counted', { cause: error });
  }
}
