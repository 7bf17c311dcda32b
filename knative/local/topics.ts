// Kafka's topics, as `lib/names.ts` lists them. Brokers don't make topics by themselves here.

import { Kafka, logLevel } from 'kafkajs';
import { type KafkaAccess, kafkaConfigOf } from '#lib/kafka/access.ts';
import { createTopics as createNew } from '#lib/kafka/create-topics.ts';
import { topics as allTopics } from '#lib/names.ts';

/** Makes the topics that are not there yet; those that are stay as they are. */
export async function createTopics(
  kafka: KafkaAccess,
  topics: readonly { readonly name: string; readonly partitions: number }[] = allTopics,
): Promise<void> {
  const admin = new Kafka({
    clientId: 'seckill-local',
    ...kafkaConfigOf(kafka),
    // A fresh broker is still settling: errors are logged only when the retries are used up.
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 100, retries: 8 },
  }).admin();
  await admin.connect();
  try {
    const existing = new Set(await admin.listTopics());
    const missing = topics.filter(({ name }) => !existing.has(name));
    if (missing.length === 0) return;
    await createNew(
      admin,
      missing.map(({ name, partitions }) => ({ topic: name, numPartitions: partitions })),
    );
  } finally {
    await admin.disconnect();
  }
}
