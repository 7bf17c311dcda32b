// What kafkajs does only when a coordinator moves at the wrong moment, said by a consumer that is
// not real: everything else about members is tested with a real Kafka (main.integration.test.ts).

import { EventEmitter } from 'node:events';
import type { ConsumerConfig, Kafka } from 'kafkajs';
import { pino } from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import { joinGroup } from './group-member.ts';

const orders = { topic: 'orders', partition: 0 };

/** A consumer that is assigned one partition as soon as it runs. */
class AssignedConsumer extends EventEmitter {
  readonly connect = () => Promise.resolve();
  readonly subscribe = () => Promise.resolve();
  readonly disconnect = () => Promise.resolve();
  readonly run = () => {
    const payload = { memberId: 'member', memberAssignment: { orders: [0] } };
    this.emit('consumer.group_join', { payload });
    return Promise.resolve();
  };
}

test('a consumer that goes on without joining anew is replaced by one that joins', async () => {
  const consumers: AssignedConsumer[] = [];
  const struckOff: unknown[] = [];
  const leaveGroup = (request: { memberId: string }) => {
    struckOff.push(request.memberId);
    return Promise.resolve();
  };
  const cluster = { findGroupCoordinator: () => Promise.resolve({ leaveGroup }) };
  const consumer = ({ partitionAssigners }: ConsumerConfig) => {
    for (const assigner of partitionAssigners ?? []) assigner({ cluster } as never);
    const made = new AssignedConsumer();
    consumers.push(made);
    return made;
  };
  const told: unknown[] = [];
  const listener = {
    assigned: (partitions: unknown) => told.push(partitions),
    revoked: () => told.push('revoked'),
    fetched: () => undefined,
  };
  const options = { groupId: 'group', topics: ['orders'], initialOffset: 'earliest' } as const;
  const kafka = { consumer } as unknown as Kafka;
  const member = joinGroup(kafka, options, listener, pino({ enabled: false }));
  onTestFinished(() => member.leave());
  await vi.waitFor(() => {
    expect(told).toEqual([[orders]]);
  });

  // Joining anew, and then fetching: as after any new assignment.
  consumers[0]?.emit('consumer.rebalancing');
  await consumers[0]?.run();
  consumers[0]?.emit('consumer.fetch_start');
  expect(told).toEqual([[orders], 'revoked', [orders]]);
  // Fetching without having joined.
  consumers[0]?.emit('consumer.rebalancing');
  consumers[0]?.emit('consumer.fetch_start');
  await vi.waitFor(() => {
    expect(consumers).toHaveLength(2);
    expect(told.at(-1)).toEqual([orders]);
  }, 10_000);
  expect(struckOff).toEqual(['member']);
});
