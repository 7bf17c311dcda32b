// Moves the leaders of the orders' partitions in the middle of whatever is being sent to them.

import { type Admin, Kafka, logLevel } from 'kafkajs';
import { ordersTopic } from '#lib/names.ts';
import { ofKind } from '../../nodes/roles.ts';
import type { ProcessEntry } from '../../state.ts';
import type { Restore } from './network.ts';

const takesMs = 20_000;

/**
 * Takes its copies of all partitions away from a broker, so that others lead them from then on:
 * two are left, which is enough to go on. Undone, every broker has all of them again.
 */
export async function leadElsewhere(
  processes: readonly ProcessEntry[],
  { index }: ProcessEntry,
): Promise<Restore> {
  const brokers = ofKind(processes, 'kafka').map((one) => one.index);
  const others = brokers.filter((one) => one !== index);
  await assign(processes, others);
  return () => assign(processes, brokers);
}

/** To these brokers, the first one in turn. */
async function assign(
  processes: readonly ProcessEntry[],
  brokers: readonly number[],
): Promise<void> {
  await asAdmin(processes, async (admin) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [ordersTopic] });
    const partitionAssignment = topics.flatMap(({ partitions }) =>
      partitions.map(({ partitionId }) => {
        const first = partitionId % brokers.length;
        const replicas = [...brokers.slice(first), ...brokers.slice(0, first)];
        return { partition: partitionId, replicas };
      }),
    );
    await admin.alterPartitionReassignments({
      topics: [{ topic: ordersTopic, partitionAssignment }],
      timeout: takesMs,
    });
  });
}

async function asAdmin<T>(
  processes: readonly ProcessEntry[],
  work: (admin: Admin) => Promise<T>,
): Promise<T> {
  const kafka = new Kafka({
    clientId: 'seckill-faults',
    brokers: ofKind(processes, 'kafka').map(({ port }) => `127.0.0.1:${port}`),
    logLevel: logLevel.NOTHING,
    retry: { retries: 8, initialRetryTime: 100 },
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}
