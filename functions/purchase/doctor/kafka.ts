// Whether Kafka's topics are set so that an accepted order is never lost, and whether both sinks'
// sources read them.

import { sendBytesMax, settledSaleKeptSeconds } from '#lib/constants.ts';
import { type Check, checksOf } from '#lib/diagnosis.ts';
import type { KafkaState, KafkaTopic } from '#lib/kafka/inspect.ts';
import { ordersTopic } from '#lib/names.ts';

const say = checksOf('Kafka');
/** With so many brokers, a topic can bear the loss of one and go on taking orders. */
const redundantFrom = 3;
/** Longer than any sale takes to be settled. */
const retentionMsMin = settledSaleKeptSeconds * 1_000;

export interface ExpectedTopic {
  readonly name: string;
  readonly partitions: number;
}

export function judgeKafka(state: KafkaState, expected: readonly ExpectedTopic[]): Check[] {
  const topics = expected.map(({ name, partitions }) => ({
    topic: state.topics.find((topic) => topic.name === name),
    ...{ name, partitions },
  }));
  const missing = topics.filter(({ topic }) => !topic?.exists);
  const leaderless = state.topics.filter(({ exists, partitions }) => exists && !partitions.length);
  const present = topics.flatMap(({ topic }) => (topic?.partitions.length ? [topic] : []));
  return [
    checkTopics(missing, state),
    ...(leaderless.length === 0 ? [] : [leaderlessTopics(leaderless)]),
    ...(present.length === 0
      ? []
      : [
          checkPartitions(topics),
          checkReplication(present, state.brokers),
          checkInSync(present, state.brokers),
          checkHealth(present),
          checkRetention(present),
          checkMessages(present),
        ]),
    checkConsumers(state),
  ];
}

function checkTopics(missing: readonly ExpectedTopic[], state: KafkaState): Check {
  if (missing.length === 0) return say.ok('topics', `${state.topics.length} topics`);
  return say.wrong('topics', {
    found: `not there: ${missing.map(({ name }) => name).join(', ')}`,
    why: 'orders cannot be published, or an event that is refused has nowhere to go',
    todo: 'run the Job `kafka-topics`, or make them as kafka-sources/topics.yaml says',
  });
}

function leaderlessTopics(topics: readonly KafkaTopic[]): Check {
  return say.wrong('leaders', {
    found: `partitions without a leader: ${topics.map(({ name }) => name).join(', ')}`,
    why: 'events for these partitions are neither taken nor delivered',
    todo: 'see `kafka-topics.sh --describe --unavailable-partitions`, and bring the brokers back',
  });
}

function checkPartitions(
  topics: readonly (ExpectedTopic & { readonly topic: KafkaTopic | undefined })[],
): Check {
  const few = topics.flatMap(({ name, partitions: wanted, topic }) => {
    const has = topic?.partitions.length ?? 0;
    return has === 0 || has >= wanted ? [] : [`${name} has ${has} of ${wanted}`];
  });
  if (few.length === 0) return say.ok('partitions', 'as many as are used');
  return say.wrong('partitions', {
    found: `too few partitions: ${few.join('; ')}`,
    why: '`purchase` spreads its events over all of them: sends to those that are missing fail',
    todo: 'add partitions: `kafka-topics.sh --alter --topic TOPIC --partitions N`',
  });
}

function checkReplication(topics: readonly KafkaTopic[], brokers: number): Check {
  const least = Math.min(...topics.flatMap(replicasOf));
  if (brokers < redundantFrom) {
    return say.advice('replication', {
      found: `${brokers} ${brokers === 1 ? 'broker' : 'brokers'}, ${least} replicas of each topic`,
      why: 'an accepted order that is not a row yet is lost with the disk of a single broker',
      todo: 'for sales that count: three brokers, replication 3 and min.insync.replicas 2',
    });
  }
  const poor = topics.filter((topic) => Math.min(...replicasOf(topic)) < redundantFrom);
  if (poor.length === 0) return say.ok('replication', `${least} replicas on ${brokers} brokers`);
  return say.wrong('replication', {
    found: `fewer than 3 replicas: ${poor.map(describeReplicas).join('; ')}`,
    why: 'orders that were answered 202 can be lost with a broker, or none be taken while it is away',
    todo: 'give each topic three replicas: `kafka-reassign-partitions.sh`',
  });
}

function checkInSync(topics: readonly KafkaTopic[], brokers: number): Check {
  const faults = topics.flatMap((topic) => {
    const required = Number(topic.settings?.get('min.insync.replicas'));
    const replicas = Math.min(...replicasOf(topic));
    if (Number.isNaN(required)) return [];
    const isLoose = brokers >= redundantFrom && required < 2;
    const isTight = replicas > 1 && required >= replicas;
    return isLoose || isTight ? [`${topic.name} requires ${required} of ${replicas}`] : [];
  });
  if (topics.some(({ settings }) => settings === undefined)) return deniedSettings('insync');
  if (faults.length === 0) return say.ok('insync', 'min.insync.replicas fits the replicas');
  return say.wrong('insync', {
    found: `min.insync.replicas: ${faults.join('; ')}`,
    why:
      'with 1, an order is answered 202 that a single broker has; with all of them, no order is ' +
      'taken while one broker is away',
    todo:
      '`kafka-configs.sh --alter --entity-type topics --entity-name TOPIC ' +
      '--add-config min.insync.replicas=2`, with three replicas',
  });
}

function checkHealth(topics: readonly KafkaTopic[]): Check {
  const partitions = topics.flatMap((topic) => topic.partitions);
  const leaderless = partitions.filter(({ hasLeader }) => !hasLeader).length;
  const behind = partitions.filter(({ replicas, inSync }) => inSync < replicas).length;
  if (leaderless === 0 && behind === 0) return say.ok('health', 'all replicas are in sync');
  return say.wrong('health', {
    found: `${leaderless} partitions have no leader, ${behind} have replicas that are not in sync`,
    why: 'a broker is away or slow: one more, and orders cannot be taken',
    todo: 'see `kafka-topics.sh --describe --under-replicated-partitions`, and bring it back',
  });
}

function checkRetention(topics: readonly KafkaTopic[]): Check {
  if (topics.some(({ settings }) => settings === undefined)) return deniedSettings('retention');
  const faults = topics.flatMap(({ name, settings }) => {
    const ms = Number(settings?.get('retention.ms') ?? -1);
    const bytes = Number(settings?.get('retention.bytes') ?? -1);
    const policy = settings?.get('cleanup.policy') ?? 'delete';
    return [
      ...(ms !== -1 && ms < retentionMsMin ? [`${name} keeps ${hours(ms)} h`] : []),
      ...(bytes === -1 ? [] : [`${name} keeps ${bytes} bytes a partition`]),
      ...(policy === 'delete' ? [] : [`${name} is cleaned up by "${policy}"`]),
    ];
  });
  if (faults.length === 0) return say.ok('retention', 'longer than a sale takes to be settled');
  return say.wrong('retention', {
    found: faults.join('; '),
    why: 'an event that is deleted before it is a row can be neither delivered nor rebuilt from',
    todo: `set retention.ms to ${retentionMsMin} or more, retention.bytes to -1 and cleanup.policy to delete`,
  });
}

function checkMessages(topics: readonly KafkaTopic[]): Check {
  const orders = topics.find(({ name }) => name === ordersTopic);
  const bytesMax = Number(orders?.settings?.get('max.message.bytes') ?? sendBytesMax);
  const isUnclean = topics.filter(
    ({ settings }) => settings?.get('unclean.leader.election.enable') === 'true',
  );
  if (isUnclean.length > 0) {
    return say.wrong('elections', {
      found: `unclean.leader.election.enable: ${isUnclean.map(({ name }) => name).join(', ')}`,
      why: 'a replica that lacks accepted orders may become the leader: they are lost',
      todo: 'set unclean.leader.election.enable to false',
    });
  }
  if (bytesMax >= sendBytesMax) return say.ok('messages', 'a full batch fits');
  return say.wrong('messages', {
    found: `max.message.bytes is ${bytesMax}`,
    why: `a busy turn sends up to ${sendBytesMax} bytes to one partition at once`,
    todo: `set max.message.bytes to ${sendBytesMax} or more`,
  });
}

function checkConsumers({ groups }: KafkaState): Check {
  if (groups === undefined) {
    return say.advice('consumers', {
      found: 'the consumer groups may not be described with the rights of this user',
      why: 'so it cannot be told whether anybody delivers the orders',
      todo: 'give the user of `purchase` Describe on the groups',
    });
  }
  const idle = groups.filter(({ members }) => members === 0).map(({ name }) => name);
  if (idle.length === 0) return say.ok('consumers', 'both groups have members');
  return say.wrong('consumers', {
    found: `nobody reads for ${idle.join(' and ')}`,
    why: 'accepted orders do not become rows, or are not on the leaderboards',
    todo:
      'see that the KafkaSources are Ready, or, in a cluster without their controller, that the ' +
      'source runner runs',
  });
}

function deniedSettings(name: string): Check {
  return say.advice(name, {
    found: 'the settings of topics may not be read with the rights of this user',
    why: 'so it cannot be told whether they keep accepted orders safe',
    todo: 'give the user of `purchase` DescribeConfigs on the topics',
  });
}

const replicasOf = ({ partitions }: KafkaTopic) => partitions.map(({ replicas }) => replicas);
const describeReplicas = (topic: KafkaTopic) =>
  `${topic.name} has ${Math.min(...replicasOf(topic))}`;
const hours = (ms: number) => Math.round(ms / 3_600_000);
