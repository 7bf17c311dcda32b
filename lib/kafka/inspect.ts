// What Kafka says of its topics, and of who reads them, for a check-up: read-only, on a connection
// of its own.

import { type Admin, type ConfigResourceTypes, Kafka, logLevel } from 'kafkajs';
import { type KafkaAccess, kafkaConfigOf } from './access.ts';
import { errorTypeOf } from './error-type.ts';
import { KafkaUnavailable } from './unavailable.ts';

const requestTimeoutMs = 5_000;
const connectTimeoutMs = 2_000;
// kafkajs hides its own name of it from ES modules.
// eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- its value
const topicResource = 2 as ConfigResourceTypes.TOPIC;

export interface KafkaPartition {
  readonly partition: number;
  readonly hasLeader: boolean;
  readonly replicas: number;
  readonly inSync: number;
}

export interface KafkaTopic {
  readonly name: string;
  readonly exists: boolean;
  /** None, too, where one of them has no leader: kafkajs tells no more of the topic then. */
  readonly partitions: readonly KafkaPartition[];
  /** As Kafka names them; undefined where they may not be read. */
  readonly settings: ReadonlyMap<string, string> | undefined;
}

export interface KafkaGroup {
  readonly name: string;
  readonly members: number;
}

export interface KafkaState {
  readonly brokers: number;
  readonly topics: readonly KafkaTopic[];
  /** Undefined where they may not be described. */
  readonly groups: readonly KafkaGroup[] | undefined;
}

/** Throws KafkaUnavailable. */
export async function inspectKafka(
  access: KafkaAccess,
  names: { readonly topics: readonly string[]; readonly groups: readonly string[] },
): Promise<KafkaState> {
  const kafka = new Kafka({
    clientId: 'seckill-doctor',
    ...kafkaConfigOf(access),
    connectionTimeout: connectTimeoutMs,
    requestTimeout: requestTimeoutMs,
    retry: { retries: 2, initialRetryTime: 100 },
    logLevel: logLevel.NOTHING,
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    const cluster = await admin.describeCluster();
    const topics: KafkaTopic[] = [];
    for (const name of names.topics) topics.push(await inspectTopic(admin, name));
    const groups = await inspectGroups(admin, names.groups);
    return { brokers: cluster.brokers.length, topics, groups };
  } catch (error) {
    throw new KafkaUnavailable('its topics could not be read', { cause: error });
  } finally {
    admin.disconnect().catch(() => undefined);
  }
}

async function inspectTopic(admin: Admin, name: string): Promise<KafkaTopic> {
  let partitions: KafkaPartition[];
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [name] });
    partitions = (topics[0]?.partitions ?? []).map(({ partitionId, leader, replicas, isr }) => ({
      partition: partitionId,
      hasLeader: leader >= 0,
      replicas: replicas.length,
      inSync: isr.length,
    }));
  } catch (error) {
    const type = errorTypeOf(error);
    if (!lookedFor.has(type)) throw error;
    return { name, exists: type === 'LEADER_NOT_AVAILABLE', partitions: [], settings: undefined };
  }
  return {
    name,
    exists: true,
    partitions,
    settings: await unlessDenied(() => settingsOf(admin, name)),
  };
}

/** What is a finding, and no failure to look. */
const lookedFor: ReadonlySet<string> = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
]);

async function settingsOf(admin: Admin, name: string): Promise<ReadonlyMap<string, string>> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: topicResource, name }],
  });
  return new Map(
    resources[0]?.configEntries.map(({ configName, configValue }) => [configName, configValue]),
  );
}

function inspectGroups(
  admin: Admin,
  names: readonly string[],
): Promise<readonly KafkaGroup[] | undefined> {
  return unlessDenied(async () => {
    const { groups } = await admin.describeGroups([...names]);
    return groups.map(({ groupId, members }) => ({ name: groupId, members: members.length }));
  });
}

async function unlessDenied<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (errorTypeOf(error).endsWith('_AUTHORIZATION_FAILED')) return undefined;
    throw error;
  }
}
