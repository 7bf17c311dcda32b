import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createEdge } from './edge.ts';
import { type FakeEdge, fakeKey, startFakeEdge } from './fake-edge.ts';
import { signToken } from './sign-token.ts';

let fake: FakeEdge;
beforeEach(async () => {
  fake = await startFakeEdge();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await fake.close();
  expect(fake.faults).toEqual([]);
});

test('who asks for longer than a token of our own is good for signs another in time', async () => {
  fake.on('GET /x', { json: {} });
  let signed = 0;
  const edge = createEdge({
    find: () => {
      signed += 1;
      const issuedAt = Math.floor(Date.now() / 1_000);
      const claims = { issuer: 'seckill', audience: 'seckill', isOperator: true };
      const times = { issuedAt, expiresAt: issuedAt + 600 };
      const token = signToken(fakeKey, { ...claims, ...times, userId: `olga${signed}` });
      const target = { url: fake.url, kind: 'url', gateway: undefined } as const;
      return Promise.resolve({ target, token });
    },
    interrupted: new AbortController().signal,
    say: () => undefined,
  });
  const now = vi.spyOn(performance, 'now');
  for (const minutes of [0, 4, 9, 12, 20]) {
    now.mockReturnValue(minutes * 60_000);
    await edge.ask({ method: 'GET', path: '/x' });
  }
  expect(fake.asked.map(({ operator }) => operator)).toEqual([
    ...['olga1', 'olga1', 'olga2', 'olga2', 'olga3'],
  ]);
});
