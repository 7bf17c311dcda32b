// Kafka's topics as kafka-sources/topics.yaml lists them: made where they are missing, given more
// partitions and other settings where they differ. Records are never touched.

import { type Admin, ConfigResourceTypes, type ITopicConfig, Kafka, logLevel } from 'kafkajs';
import { parse } from 'yaml';
import { z } from 'zod';
import { type KafkaAccess, kafkaConfigOf } from '#lib/kafka/access.ts';
import { createTopics } from '#lib/kafka/create-topics.ts';
import { type Patience, untilDone } from '../wait.ts';

const topicShape = z.strictObject({
  name: z.string().min(1),
  partitions: z.number().int().positive(),
  replicationFactor: z.number().int().positive(),
  config: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String)),
});

export type Topic = z.infer<typeof topicShape>;

const configMapShape = z.object({ data: z.object({ 'topics.yaml': z.string() }) });

/**
 * Of the list in kafka-sources/topics.yaml, or of that file as it is, a ConfigMap. Throws where it
 * is not of its shape. No topic gets more than `copiesMax` copies, nor waits for more acknowledgements.
 */
export function readTopics(text: string, copiesMax = Number.POSITIVE_INFINITY): Topic[] {
  const topics = z.array(topicShape).min(1).parse(listIn(text));
  return topics.map((topic) => ({
    ...topic,
    replicationFactor: Math.min(topic.replicationFactor, copiesMax),
    config: Object.fromEntries(
      Object.entries(topic.config).map(([name, value]) =>
        name === 'min.insync.replicas'
          ? [name, String(Math.min(Number(value), copiesMax))]
          : [name, value],
      ),
    ),
  }));
}

function listIn(text: string): unknown {
  const document: unknown = parse(text);
  const { data: configMap } = configMapShape.safeParse(document);
  return configMap === undefined ? document : parse(configMap.data['topics.yaml']);
}

/** Resolves with what was done, a line each. Rejects when Kafka does not answer in time. */
export async function prepareTopics(
  access: KafkaAccess,
  wanted: readonly Topic[],
  patience: Patience,
): Promise<string[]> {
  return await untilDone('Kafka', patience, async () => {
    const admin = new Kafka({
      clientId: 'seckill-topics',
      ...kafkaConfigOf(access),
      logLevel: logLevel.NOTHING,
      retry: { retries: 2 },
    }).admin();
    try {
      await admin.connect();
      return await prepare(admin, wanted);
    } finally {
      await admin.disconnect();
    }
  });
}

async function prepare(admin: Admin, wanted: readonly Topic[]): Promise<string[]> {
  const existing = new Set(await admin.listTopics());
  const missing = wanted.filter(({ name }) => !existing.has(name));
  const present = wanted.filter(({ name }) => existing.has(name));
  if (missing.length > 0) await createTopics(admin, missing.map(asKafkaWants));
  const done = missing.map(({ name, partitions }) => `${name}: made with ${partitions} partitions`);
  for (const topic of present)
    done.push(`${topic.name}: ${(await adapt(admin, topic)).join('; ')}`);
  return done;
}

function asKafkaWants({ name, partitions, replicationFactor, config }: Topic): ITopicConfig {
  const configEntries = entries(config);
  return { topic: name, numPartitions: partitions, replicationFactor, configEntries };
}

function entries(config: Topic['config']): { name: string; value: string }[] {
  return Object.entries(config).map(([name, value]) => ({ name, value }));
}

/** What can be changed is; what cannot is told. */
async function adapt(admin: Admin, topic: Topic): Promise<string[]> {
  const { name, partitions, replicationFactor } = topic;
  const done: string[] = [];
  const { topics } = await admin.fetchTopicMetadata({ topics: [name] });
  const found = topics[0]?.partitions ?? [];
  if (found.length < partitions) {
    await admin.createPartitions({ topicPartitions: [{ topic: name, count: partitions }] });
    done.push(`${partitions} partitions, it had ${found.length}`);
  }
  if (found.length > partitions) {
    done.push(`has ${found.length} partitions, more than ${partitions}, which Kafka cannot undo`);
  }
  const copies = Math.min(...found.map(({ replicas }) => replicas.length));
  if (copies !== replicationFactor) {
    done.push(`has ${copies} copies, not ${replicationFactor}: kafka-reassign-partitions.sh`);
  }
  const changed = await setConfig(admin, topic);
  if (changed.length > 0) done.push(`set ${changed.join(', ')}`);
  return done.length > 0 ? done : ['as it should be'];
}

/** Resolves with the settings that were others. */
async function setConfig(admin: Admin, { name, config }: Topic): Promise<string[]> {
  const resource = { type: ConfigResourceTypes.TOPIC, name };
  const { resources } = await admin.describeConfigs({
    resources: [resource],
    includeSynonyms: false,
  });
  const now = new Map(
    resources[0]?.configEntries.map(({ configName, configValue }) => [configName, configValue]),
  );
  const changed = Object.entries(config).filter(([key, value]) => now.get(key) !== value);
  if (changed.length === 0) return [];
  await admin.alterConfigs({
    validateOnly: false,
    resources: [{ ...resource, configEntries: entries(config) }],
  });
  return changed.map(([key, value]) => `${key}=${value}`);
}
