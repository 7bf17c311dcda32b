import { ConfigResourceTypes, Kafka, logLevel } from 'kafkajs';
import { expect, test } from 'vitest';
import { kafkaAccessIn, kafkaConfigOf } from '#lib/kafka/access.ts';
import { uniqueName } from '#lib/testing/unique.ts';
import { prepareTopics, type Topic } from './topics.ts';

const kafka = kafkaAccessIn();
const patience = {
  waitMs: 30_000,
  interrupted: new AbortController().signal,
  say: () => undefined,
};

async function look(name: string) {
  const admin = new Kafka({ ...kafkaConfigOf(kafka), logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [name] });
    const { resources } = await admin.describeConfigs({
      resources: [{ type: ConfigResourceTypes.TOPIC, name }],
      includeSynonyms: false,
    });
    const config = resources[0]?.configEntries.map(({ configName, configValue }) => [
      configName,
      configValue,
    ]);
    return {
      partitions: topics[0]?.partitions.length,
      config: Object.fromEntries(config ?? []) as Record<string, string>,
    };
  } finally {
    await admin.disconnect();
  }
}

test('a topic is made as declared, left as it is, and follows what is declared anew', async () => {
  const name = uniqueName('topic');
  const topic: Topic = {
    name,
    partitions: 2,
    replicationFactor: 1,
    config: { 'retention.ms': '1000000', 'min.insync.replicas': '1' },
  };
  expect(await prepareTopics(kafka, [topic], patience)).toEqual([
    `${name}: made with 2 partitions`,
  ]);
  const made = await look(name);
  expect(made.partitions).toBe(2);
  expect(made.config).toMatchObject(topic.config);
  expect(await prepareTopics(kafka, [topic], patience)).toEqual([`${name}: as it should be`]);

  const anew = { ...topic, partitions: 3, config: { ...topic.config, 'retention.ms': '2000000' } };
  expect(await prepareTopics(kafka, [anew], patience)).toEqual([
    `${name}: 3 partitions, it had 2; set retention.ms=2000000`,
  ]);
  const changed = await look(name);
  expect(changed.partitions).toBe(3);
  expect(changed.config).toMatchObject(anew.config);

  const fewer = { ...anew, partitions: 1, replicationFactor: 3 };
  expect((await prepareTopics(kafka, [fewer], patience))[0]).toMatch(
    /has 3 partitions, more than 1.*has 1 copies, not 3/,
  );
}, 60_000);
