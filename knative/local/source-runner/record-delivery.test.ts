import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { Attempt } from './delivery.ts';
import { createRecordDelivery } from './record-delivery.ts';
import type { FetchedRecord } from './record-to-request.ts';

const record: FetchedRecord = {
  ...{ topic: 't', partition: 0, offset: 0n, timestampMs: 0 },
  ...{ key: null, value: null, headers: [] },
};

/** A delivery to a sink with these answers in turn, the last for ever. */
function setUp(attempts: readonly Attempt[], retries = 1) {
  const counters = { delivered: 0, retried: 0, deadLettered: 0, dropped: 0 };
  let sent = 0;
  const deliver = createRecordDelivery({
    source: { namespace: 'n', name: 's', keyType: 'string', extensions: {} },
    policy: { retries, backoff: 'linear', backoffDelayMs: 60_000, timeoutMs: 1_000 },
    sink: {
      url: 'http://sink/',
      sender: {
        send() {
          sent += 1;
          const attempt = attempts[sent - 1] ?? attempts.at(-1);
          return Promise.resolve(attempt ?? { kind: 'unanswered', reason: 'none' });
        },
        close: () => Promise.resolve(),
      },
    },
    deadLetterSink: undefined,
    counters,
    log: pino({ level: 'silent' }),
  });
  return { deliver, counters };
}
const answered = (status: number): Attempt => ({
  ...{ kind: 'answered', status, headers: {} },
  body: Buffer.alloc(0),
});

test('a record of which no event can be made is lost, and passed', async () => {
  const { deliver, counters } = setUp([answered(204)]);
  const headers = [['x', null]] as const;
  expect(await deliver({ ...record, headers }, new AbortController().signal)).toBe('done');
  expect(counters).toEqual({ delivered: 0, retried: 0, deadLettered: 0, dropped: 1 });
});

test('one that waits to be sent again is abandoned with its assignment', async () => {
  const { deliver, counters } = setUp([answered(503)]);
  const assignment = new AbortController();
  const outcome = deliver(record, assignment.signal);
  await Promise.resolve();
  assignment.abort();
  expect(await outcome).toBe('abandoned');
  expect(counters.dropped).toBe(0);
});

test('one whose connection was cut while we leave is abandoned, not lost', async () => {
  const { deliver, counters } = setUp([{ kind: 'unanswered', reason: 'cut' }], 0);
  expect(await deliver(record, AbortSignal.abort())).toBe('abandoned');
  expect(counters.dropped).toBe(0);
});

test('one that is answered while we leave is done', async () => {
  const { deliver, counters } = setUp([answered(204)]);
  expect(await deliver(record, AbortSignal.abort())).toBe('done');
  expect(counters.delivered).toBe(1);
});
