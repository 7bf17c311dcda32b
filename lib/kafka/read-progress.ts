// How far consumer groups have got in a topic, by their committed offsets.

import { type Admin, Kafka, logLevel } from 'kafkajs';
import { type KafkaAccess, kafkaConfigOf } from './access.ts';
import type { TopicMarks } from './topic-marks.ts';
import { KafkaUnavailable } from './unavailable.ts';

const requestTimeoutMs = 5_000;

export interface Progress {
  /** Group → partition → the first offset that is not committed; -1 where nothing is. */
  readonly committed: ReadonlyMap<string, ReadonlyMap<number, number>>;
  /** Partition → the offset that its next record will have; asked for after `committed`. */
  readonly ends: ReadonlyMap<number, number>;
  /** False once records have been deleted: any, or any since the marks. */
  readonly complete: boolean;
}

/** How many events a group has not committed, of those before the ends. */
export function lagOf(
  group: string,
  { committed }: Pick<Progress, 'committed'>,
  ends: Progress['ends'],
): number {
  const offsets = committed.get(group);
  let lag = 0;
  for (const [partition, end] of ends) {
    lag += Math.max(0, end - Math.max(0, offsets?.get(partition) ?? 0));
  }
  return lag;
}

/** Asks for the progress of these groups. Throws KafkaUnavailable. */
export async function readProgress(
  access: KafkaAccess,
  topic: string,
  groups: readonly string[],
  since?: TopicMarks,
): Promise<Progress> {
  const kafka = new Kafka({
    clientId: 'seckill-read-progress',
    ...kafkaConfigOf(access),
    requestTimeout: requestTimeoutMs,
    // A broker that is starting answers "not available" for a moment.
    retry: { retries: 4, initialRetryTime: 100 },
    logLevel: logLevel.NOTHING,
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    const committed = new Map<string, ReadonlyMap<number, number>>();
    for (const group of groups) committed.set(group, await committedBy(admin, group, topic));
    const offsets = await admin.fetchTopicOffsets(topic);
    return {
      committed,
      ends: new Map(offsets.map(({ partition, high }) => [partition, Number(high)])),
      complete: offsets.every(
        ({ partition, low }) => Number(low) <= (since?.ends[topic]?.[partition] ?? 0),
      ),
    };
  } catch (error) {
    throw new KafkaUnavailable(`the progress in ${topic} could not be read`, { cause: error });
  } finally {
    admin.disconnect().catch(() => undefined);
  }
}

async function committedBy(
  admin: Admin,
  groupId: string,
  topic: string,
): Promise<ReadonlyMap<number, number>> {
  const [answer] = await admin.fetchOffsets({ groupId, topics: [topic] });
  return new Map(answer?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
}
