import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { Attempt } from './delivery.ts';
import { createRecordDelivery } from './record-delivery.ts';
import type { EventRequest, FetchedRecord } from './record-to-request.ts';

const record: FetchedRecord = {
  ...{ topic: 't', partition: 0, offset: 0n, timestampMs: 0 },
  ...{ key: null, value: null, headers: [] },
};

/** A delivery to a sink with these answers in turn, the last for ever. */
function setUp(
  attempts: readonly Attempt[],
  { retries = 1, backoffDelayMs = 60_000, deadLetters = false } = {},
) {
  const lines: string[] = [];
  const letters: EventRequest[] = [];
  const counters = { delivered: 0, retried: 0, deadLettered: 0, dropped: 0 };
  let sent = 0;
  const deliver = createRecordDelivery({
    source: { namespace: 'n', name: 's', keyType: 'string', extensions: {} },
    policy: { retries, backoff: 'linear', backoffDelayMs, timeoutMs: 1_000 },
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
    deadLetterSink: deadLetters
      ? {
          url: 'http://dead/',
          sender: {
            send(request) {
              letters.push(request);
              return Promise.resolve(answered(202));
            },
            close: () => Promise.resolve(),
          },
        }
      : undefined,
    counters,
    log: pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) }),
  });
  return { deliver, counters, letters, log: () => lines.join('') };
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
  const { deliver, counters } = setUp([{ kind: 'unanswered', reason: 'cut' }], { retries: 0 });
  expect(await deliver(record, AbortSignal.abort())).toBe('abandoned');
  expect(counters.dropped).toBe(0);
});

test('one that is answered while we leave is done', async () => {
  const { deliver, counters } = setUp([answered(204)]);
  expect(await deliver(record, AbortSignal.abort())).toBe('done');
  expect(counters.delivered).toBe(1);
});

const unsendable: Attempt = { kind: 'unsendable', reason: 'HTTP cannot carry its content-type' };

test('one that cannot be sent is a dead letter at once; the record is blamed, not the sink', async () => {
  const { deliver, counters, letters, log } = setUp([unsendable], { deadLetters: true });
  expect(await deliver(record, new AbortController().signal)).toBe('done');
  expect(counters).toEqual({ delivered: 0, retried: 0, deadLettered: 1, dropped: 0 });
  const data = letters[0]?.headers['ce-knativeerrordata'] ?? '';
  expect(Buffer.from(data, 'base64').toString()).toBe(unsendable.reason);
  expect(log()).toContain('"topic":"t","partition":0,"offset":"0"');
  expect(log()).toContain(unsendable.reason);
  expect(log()).toContain('the record cannot be sent to any sink as it is');
  expect(log()).not.toContain('the sink');
});

test('it is lost where there are no dead letters, and its sink is not blamed for that', async () => {
  const { deliver, counters, log } = setUp([unsendable]);
  expect(await deliver(record, new AbortController().signal)).toBe('done');
  expect(counters).toEqual({ delivered: 0, retried: 0, deadLettered: 0, dropped: 1 });
  expect(log()).toContain('LOST: the record cannot be sent to any sink as it is');
  expect(log()).not.toContain('the sink');
});

test('a sink is blamed for no answer and for a refusal', async () => {
  const attempts: Attempt[] = [{ kind: 'unanswered', reason: 'cut' }, answered(422)];
  const { deliver, log } = setUp(attempts, { deadLetters: true, backoffDelayMs: 0 });
  await deliver(record, new AbortController().signal);
  expect(log()).toContain('the sink does not take events now, trying again');
  expect(log()).toContain('the sink does not take it, so the event went to the dead letters');
});
