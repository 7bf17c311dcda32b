import { describe, expect, test } from 'vitest';
import { type Attempt, backoffMs, type DeliveryPolicy, deliver, verdictOf } from './delivery.ts';

const request = { headers: {}, body: undefined };
const linear: DeliveryPolicy = {
  retries: 3,
  backoff: 'linear',
  backoffDelayMs: 500,
  timeoutMs: 15_000,
};
const answer = (status: number): Attempt => ({
  ...{ kind: 'answered', status, headers: {} },
  body: Buffer.alloc(0),
});
const unanswered: Attempt = { kind: 'unanswered', reason: 'connection refused' };

async function run(attempts: readonly Attempt[], policy = linear, pausesMax = Infinity) {
  const waits: number[] = [];
  let sent = 0;
  const outcome = await deliver(request, policy, {
    send() {
      sent += 1;
      return Promise.resolve(attempts[sent - 1] ?? attempts.at(-1) ?? unanswered);
    },
    pause(ms) {
      waits.push(ms);
      return Promise.resolve(waits.length <= pausesMax);
    },
    onRetry: () => undefined,
  });
  return { outcome: outcome.kind, sent, waits };
}

test.each([
  [200, 'done'],
  [202, 'done'],
  [204, 'done'],
  [299, 'done'],
  [301, 'refused'],
  [400, 'refused'],
  [401, 'refused'],
  [403, 'refused'],
  [413, 'refused'],
  [422, 'refused'],
  [404, 'retry'],
  [408, 'retry'],
  [409, 'retry'],
  [429, 'retry'],
  [500, 'retry'],
  [503, 'retry'],
  [599, 'retry'],
])('status %i means %s', (status, verdict) => {
  expect(verdictOf(status)).toBe(verdict);
});

describe('back-off', () => {
  const first = (policy: DeliveryPolicy) => [1, 2, 3, 4].map((retry) => backoffMs(policy, retry));

  test('linear is delay × n', () => {
    expect(first(linear)).toEqual([500, 1_000, 1_500, 2_000]);
  });

  test('exponential is delay × 2ⁿ with n from 1: the first wait is twice the delay', () => {
    const exponential = { ...linear, backoff: 'exponential', backoffDelayMs: 300 } as const;
    expect(first(exponential)).toEqual([600, 1_200, 2_400, 4_800]);
  });

  test('never is more than a timer can wait', () => {
    expect(backoffMs({ ...linear, backoff: 'exponential' }, 60)).toBe(2 ** 31 - 1);
  });

  test('of our sources lasts 15 minutes', () => {
    const waits = Array.from({ length: 60 }, (_, index) => backoffMs(linear, index + 1));
    expect(waits.reduce((sum, ms) => sum + ms)).toBe(915_000);
  });
});

describe('delivery', () => {
  test('ends with the first answer below 300', async () => {
    expect(await run([answer(503), unanswered, answer(204)])).toEqual({
      ...{ outcome: 'delivered', sent: 3 },
      waits: [500, 1_000],
    });
  });

  test('fails at once when it is refused', async () => {
    expect(await run([answer(422)])).toEqual({ outcome: 'failed', sent: 1, waits: [] });
  });

  test('fails when the retries are used up: one more attempt than retries', async () => {
    expect(await run([answer(503)])).toEqual({
      ...{ outcome: 'failed', sent: 4 },
      waits: [500, 1_000, 1_500],
    });
    expect(await run([unanswered], { ...linear, retries: 0 })).toMatchObject({ sent: 1 });
  });

  test('is abandoned when it is told to give up while it waits', async () => {
    expect(await run([answer(503)], linear, 1)).toMatchObject({ outcome: 'abandoned', sent: 2 });
  });
});

test('what cannot be sent is not sent again', async () => {
  const unsendable: Attempt = { kind: 'unsendable', reason: 'why' };
  expect(await run([unsendable])).toEqual({ outcome: 'failed', sent: 1, waits: [] });
});
