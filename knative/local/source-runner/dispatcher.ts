// One KafkaSource at work: what is fetched is polled and delivered, and its offset committed
// once everything before it is done. A record that was not done when its partition went away,
// or the process died, is delivered again by whoever gets it next.

import { setTimeout as wait } from 'node:timers/promises';
import type { Log } from '#lib/telemetry/log.ts';
import { type Assignment, createAssignment } from './assignment.ts';
import { commitIntervalMs, commitTimeoutMs } from './constants.ts';
import type { DeliveryPolicy } from './delivery.ts';
import { type GroupMember, joinGroup } from './group-member.ts';
import { createHttpSender } from './http-sender.ts';
import type { KafkaClient } from './kafka.ts';
import { pollOrdered, pollUnordered } from './polling.ts';
import { type Counters, createRecordDelivery, type Target } from './record-delivery.ts';
import type { EventSource, FetchedRecord } from './record-to-request.ts';

/** A KafkaSource with its sinks looked up. */
export interface ResolvedSource extends EventSource {
  readonly consumerGroup: string;
  readonly topics: readonly string[];
  readonly initialOffset: 'earliest' | 'latest';
  readonly ordering: 'ordered' | 'unordered';
  readonly delivery: DeliveryPolicy;
  readonly sinkUrl: string;
  readonly deadLetterSinkUrl: string | undefined;
}

export interface SourceStatus extends Readonly<Counters> {
  readonly partitions: number;
  readonly inFlight: number;
  readonly buffered: number;
  readonly lag: number;
}

export interface Dispatcher {
  /** Whether it has been a member of its group yet. */
  hasJoined(): boolean;
  status(): SourceStatus;
  /**
   * Takes nothing more, waits up to `deadlineMs` for answers to what is in flight, commits and
   * leaves the group. What waits to be sent again is left to whoever comes next.
   */
  stop(deadlineMs: number): Promise<void>;
}

const drainCheckMs = 10;

/** Joins the source's group and delivers until it is stopped, through outages of either side. */
export function startDispatcher(source: ResolvedSource, kafka: KafkaClient, log: Log): Dispatcher {
  const counters: Counters = { delivered: 0, retried: 0, deadLettered: 0, dropped: 0 };
  const { sink, deadLetterSink } = openTargets(source);
  const deliverRecord = createRecordDelivery({
    ...{ source, sink, deadLetterSink, counters, log },
    policy: source.delivery,
  });
  let assignment: Assignment | undefined;
  let hasJoined = false;

  async function dispatch(record: FetchedRecord): Promise<void> {
    if (assignment === undefined) return;
    const done = assignment.received(record);
    if ((await deliverRecord(record, assignment.signal)) === 'done') done();
  }
  const poll = source.ordering === 'ordered' ? pollOrdered : pollUnordered;
  const polling = poll({
    take: (max, isSkipped) => assignment?.take(max, isSkipped) ?? [],
    dispatch,
  });
  const listener = {
    assigned(partitions: Assignment['partitions']) {
      assignment = createAssignment(partitions, (partition, isPaused) => {
        member.setPaused(partition, isPaused);
      });
      hasJoined = true;
      log.info({ partitions: partitions.length }, 'joined the group');
    },
    fetched(records: readonly FetchedRecord[], end: bigint) {
      assignment?.add(records, end);
      polling.arrived();
    },
    revoked() {
      if (assignment !== undefined) void commit(member, assignment, log);
      assignment?.abandon();
      assignment = undefined;
      polling.revoked();
    },
  };
  const member = joinGroup(kafka, { ...source, groupId: source.consumerGroup }, listener, log);
  const commits = setInterval(() => {
    if (assignment !== undefined) void commit(member, assignment, log);
  }, commitIntervalMs);

  return {
    hasJoined: () => hasJoined,
    status: () => ({
      ...counters,
      partitions: assignment?.partitions.length ?? 0,
      inFlight: polling.inFlight(),
      buffered: assignment?.buffered() ?? 0,
      lag: assignment?.lag() ?? 0,
    }),
    async stop(deadlineMs) {
      const deadline = performance.now() + deadlineMs;
      polling.stop();
      assignment?.abandon();
      while (polling.inFlight() > 0 && performance.now() < deadline) await wait(drainCheckMs);
      clearInterval(commits);
      if (assignment !== undefined) await commit(member, assignment, log);
      await member.leave();
      await Promise.all([sink.sender.close(), deadLetterSink?.sender.close()]);
    },
  };
}

function openTargets({ sinkUrl, deadLetterSinkUrl, delivery }: ResolvedSource): {
  readonly sink: Target;
  readonly deadLetterSink: Target | undefined;
} {
  const open = (url: string) => ({ url, sender: createHttpSender(url, delivery.timeoutMs) });
  return {
    sink: open(sinkUrl),
    deadLetterSink: deadLetterSinkUrl === undefined ? undefined : open(deadLetterSinkUrl),
  };
}

/**
 * A commit of what is done, sent at once: when the group shares out anew, it has to be there
 * before our request to join again. Never rejects: what is not committed is delivered again.
 */
async function commit(member: GroupMember, assignment: Assignment, log: Log): Promise<void> {
  const offsets = assignment.committable();
  if (offsets.length === 0) return;
  const late = new AbortController();
  try {
    await Promise.race([
      member.commit(offsets),
      wait(commitTimeoutMs, undefined, { signal: late.signal }).then(() => {
        throw new Error('Kafka did not answer in time');
      }),
    ]);
    assignment.committed(offsets);
  } catch (error) {
    log.warn({ err: error }, 'offsets were not committed; the events may come again');
  } finally {
    late.abort();
  }
}
