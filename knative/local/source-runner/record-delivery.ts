// Sees one record through: to the sink, else to the dead-letter sink, else it is dropped and
// loudly said so, for that is what the dispatcher does.

import { setTimeout as wait } from 'node:timers/promises';
import type { Log } from '#lib/telemetry/log.ts';
import type { CloudEvent } from './cloud-event.ts';
import { type Attempt, type Delivery, type DeliveryPolicy, deliver } from './delivery.ts';
import type { HttpSender } from './http-sender.ts';
import {
  deadLetterOf,
  type EventSource,
  eventOf,
  type FetchedRecord,
  requestOf,
} from './record-to-request.ts';

export interface Counters {
  delivered: number;
  retried: number;
  deadLettered: number;
  dropped: number;
}

/** Where events go. */
export interface Target {
  readonly url: string;
  readonly sender: HttpSender;
}

export interface RecordDeliveryDeps {
  readonly source: EventSource;
  readonly policy: DeliveryPolicy;
  readonly sink: Target;
  readonly deadLetterSink: Target | undefined;
  readonly counters: Counters;
  readonly log: Log;
}

/**
 * `done`: its offset may be committed, whatever became of it. `abandoned`: somebody else will
 * deliver it, because `signal` said so before it was taken or refused. Never rejects.
 */
export type RecordDelivery = (
  record: FetchedRecord,
  signal: AbortSignal,
) => Promise<'done' | 'abandoned'>;

export function createRecordDelivery(deps: RecordDeliveryDeps): RecordDelivery {
  const { source, sink, deadLetterSink, counters, log } = deps;
  const toSink = createTargetDelivery(sink, 'sink', deps);
  const toDeadLetters =
    deadLetterSink === undefined
      ? undefined
      : createTargetDelivery(deadLetterSink, 'dead-letter sink', deps);

  function drop(record: FetchedRecord, why: string, reason: unknown): 'done' {
    counters.dropped += 1;
    log.error({ ...placeOf(record), reason }, `the event is LOST: ${why}`);
    return 'done';
  }

  return async function deliverRecord(record, signal) {
    let event: CloudEvent;
    try {
      event = eventOf(record, source);
    } catch (error) {
      return drop(record, 'no event can be made of the record', String(error));
    }
    const delivery = await toSink(event, signal);
    if (delivery.kind === 'abandoned') return 'abandoned';
    if (delivery.kind === 'delivered') {
      counters.delivered += 1;
      return 'done';
    }
    const { attempt, attempts } = delivery;
    // Sent to a closed connection while we leave: it was neither taken nor refused.
    if (attempt.kind === 'unanswered' && signal.aborted) return 'abandoned';
    const reason = reasonOf(attempt);
    if (toDeadLetters === undefined) {
      return drop(record, `${blameOf(attempt)} and there is no dead-letter sink`, reason);
    }
    const letter = deadLetterOf(event, sink.url, refusalIn(attempt));
    const buried = await toDeadLetters(letter, signal);
    if (buried.kind === 'abandoned') return 'abandoned';
    if (buried.kind === 'failed') {
      if (buried.attempt.kind === 'unanswered' && signal.aborted) return 'abandoned';
      return drop(record, 'the dead-letter sink does not take it', reasonOf(buried.attempt));
    }
    counters.deadLettered += 1;
    const message = `${blameOf(attempt)}, so the event went to the dead letters`;
    log.warn({ ...placeOf(record), reason, attempts }, message);
    return 'done';
  };
}

/** Sends to one target with retries, and says once that it is away and once that it is back. */
function createTargetDelivery(
  { url, sender }: Target,
  role: string,
  { source, policy, counters, log }: RecordDeliveryDeps,
): (event: CloudEvent, signal: AbortSignal) => Promise<Delivery> {
  let isAway = false;
  return async (event, signal) => {
    const delivery = await deliver(requestOf(event, source), policy, {
      send: (request) => sender.send(request),
      pause: (ms) => wait(ms, true, { signal }).catch(() => false),
      onRetry(attempt, waitMs) {
        counters.retried += 1;
        const detail = { url, reason: reasonOf(attempt), waitMs };
        if (isAway) log.debug(detail, `the ${role} does not take an event yet`);
        else log.warn(detail, `the ${role} does not take events now, trying again`);
        isAway = true;
      },
    });
    if (delivery.kind === 'delivered' && isAway) {
      isAway = false;
      log.info({ url }, `the ${role} takes events again`);
    }
    return delivery;
  };
}

function placeOf({ topic, partition, offset }: FetchedRecord) {
  return { topic, partition, offset: String(offset) };
}

/** Whose fault it is. */
function blameOf(attempt: Attempt): string {
  return attempt.kind === 'unsendable'
    ? 'the record cannot be sent to any sink as it is'
    : 'the sink does not take it';
}

function refusalIn(attempt: Attempt) {
  if (attempt.kind === 'answered') return attempt;
  return attempt.kind === 'unsendable' ? { unsendable: attempt.reason } : undefined;
}

function reasonOf(attempt: Attempt): string {
  return attempt.kind === 'answered' ? `status ${attempt.status}` : attempt.reason;
}
