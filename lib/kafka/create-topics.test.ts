import { KafkaJSProtocolError } from 'kafkajs';
import { expect, test, vi } from 'vitest';
import { createTopics } from './create-topics.ts';

const topics = [{ topic: 'orders', numPartitions: 3 }];
const metadata = { topics: [{ name: 'orders', partitions: [] }] };

function brokersThatSay(...types: string[]) {
  const fetchTopicMetadata = vi.fn(() => {
    const type = types.shift();
    return type === undefined ? Promise.resolve(metadata) : Promise.reject(protocolError(type));
  });
  return { createTopics: vi.fn(() => Promise.resolve(true)), fetchTopicMetadata };
}

function protocolError(type: string): KafkaJSProtocolError {
  return Object.assign(new KafkaJSProtocolError(new Error(type)), { type });
}

test('waits for a broker that has not heard of the topic, or of its leader', async () => {
  const admin = brokersThatSay('UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE');
  await createTopics(admin, topics);
  expect(admin.createTopics).toHaveBeenCalledExactlyOnceWith({ topics, waitForLeaders: false });
  expect(admin.fetchTopicMetadata).toHaveBeenCalledTimes(3);
});

test('anything else a broker says is told at once', async () => {
  const admin = brokersThatSay('TOPIC_AUTHORIZATION_FAILED');
  await expect(createTopics(admin, topics)).rejects.toThrow('TOPIC_AUTHORIZATION_FAILED');
  expect(admin.fetchTopicMetadata).toHaveBeenCalledTimes(1);
});
