// `erase`, against a fake of the edge.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { runCli } from './cli.ts';
import type { Io } from './command.ts';
import { type FakeEdge, fakeKey, startFakeEdge } from './fake-edge.ts';

const route = 'POST /operator/erase';
let edge: FakeEdge;
beforeEach(async () => {
  edge = await startFakeEdge();
  edge.on(route, { json: { sales: [{ productId: 'phone', orders: 2 }] } });
});
afterEach(async () => {
  await edge.close();
  expect(edge.faults).toEqual([]);
});

async function run(ask: Io['ask'], ...args: readonly string[]) {
  const io = { out: vi.fn<Io['out']>(), err: vi.fn<Io['err']>() };
  const status = await runCli(['erase', 'ann', ...args], {
    ...{ ...io, ask, interrupted: new AbortController().signal },
    env: { SECKILL_URL: edge.url, SECKILL_JWT_KEY: fakeKey },
  });
  const textOf = ({ mock }: typeof io.out) => mock.calls.join('');
  return { status, out: textOf(io.out), err: textOf(io.err) };
}

test('asks, then says what was erased and what goes by itself', async () => {
  const ask = vi.fn(() => Promise.resolve('erase'));
  const { status, out } = await run(ask);
  expect(status).toBe(0);
  expect(out).toMatch(/^PRODUCT +ORDERS\nphone +2\nKafka forgets/);
  expect(ask).toHaveBeenCalledExactlyOnceWith(expect.stringContaining('cannot be undone'));
  expect(edge.asked).toMatchObject([{ route, body: { userId: 'ann' } }]);
});

test.each([
  ['says something else', () => Promise.resolve('yes'), 'nobody was erased'],
  ['is not there to be asked', undefined, 'say it with --yes'],
])('erases nobody where the operator %s', async (_, ask, told) => {
  const { status, err } = await run(ask);
  expect(status).toBe(1);
  expect(err).toContain(told);
  expect(edge.asked).toEqual([]);
});

test('asks nobody with --yes; -o json is what the system said', async () => {
  const { status, out } = await run(undefined, '--yes', '-o', 'json');
  expect([status, JSON.parse(out)]).toEqual([0, { sales: [{ productId: 'phone', orders: 2 }] }]);
});

test('says it where nothing is known of the user', async () => {
  edge.on(route, { json: { sales: [] } });
  expect((await run(undefined, '--yes')).out).toBe('No order has this user.\n');
});
