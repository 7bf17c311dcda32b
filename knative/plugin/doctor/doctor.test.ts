// `kn-seckill doctor` as a whole, on a system that is in no cluster.

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Check } from '#lib/diagnosis.ts';
import { runCli } from '../cli.ts';
import { type FakeEdge, fakeKey, startFakeEdge } from '../fake-edge.ts';
import { judgeClock } from './doctor.ts';

let edge: FakeEdge;
let out: string;
let err: string;
beforeEach(async () => {
  edge = await startFakeEdge();
  out = '';
  err = '';
});
afterEach(async () => {
  await edge.close();
  expect(edge.faults).toEqual([]);
});

const evicts = {
  ...{ area: 'Redis', name: 'eviction', result: 'wrong', found: 'it is allkeys-lru' },
  ...{ why: 'it deletes sales', todo: 'set noeviction' },
} as const satisfies Check;
const well = { area: 'etcd', name: 'alarms', result: 'ok', found: 'none' } as const satisfies Check;

function run(...args: string[]): Promise<number> {
  return runCli(['doctor', '--url', edge.url, ...args], {
    env: { SECKILL_JWT_KEY: fakeKey, KUBECONFIG: '/nowhere' },
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    interrupted: new AbortController().signal,
  });
}

function answer(...checks: Check[]): void {
  edge.on('GET /operator/sales', { json: { sales: [] } });
  const ok = checks.every(({ result }) => result === 'ok');
  edge.on('GET /operator/doctor', { json: { at: new Date().toISOString(), ok, checks } });
}

test('all is well: exit 0', async () => {
  answer(well);
  expect(await run()).toBe(0);
  expect(out).toContain('ok       etcd alarms: none\n');
  expect(out).toContain('3 of 3 checks are well.');
});

test('something is wrong: exit 1, with why and what to do', async () => {
  answer(well, evicts);
  expect(await run()).toBe(1);
  expect(out).toContain(
    'WRONG    Redis eviction: it is allkeys-lru\n' +
      '         why: it deletes sales\n         do:  set noeviction\n',
  );
  expect(err).toContain('kn-seckill: 1 thing is wrong\n');
});

test('what could not be told is exit 2, unless something is wrong besides', async () => {
  answer({ ...evicts, result: 'unknown' });
  expect(await run()).toBe(2);
  answer({ ...evicts, result: 'unknown' }, evicts);
  expect(await run()).toBe(1);
});

test('advice is no fault', async () => {
  answer({ ...evicts, result: 'advice' });
  expect(await run()).toBe(0);
});

test('a system that does not answer could not be told of, and says so to programs, too', async () => {
  edge.on('GET /operator/doctor', { problem: 'unavailable', detail: 'purchase does not answer' });
  edge.on('GET /operator/doctor', { problem: 'not_found' });
  expect(await run('-o', 'json')).toBe(2);
  const { ok, checks } = JSON.parse(out) as { ok: boolean; checks: Check[] };
  expect(ok).toBe(false);
  expect(checks).toMatchObject([{ area: 'system', name: 'reachable', result: 'unknown' }]);
  expect(checks[0]?.found).toContain('the release that runs has no check-up');
});

test('the clock here is judged by when the answer was made, whatever it took', () => {
  expect(judgeClock(1_000, 0, 60_000).result).toBe('ok');
  expect(judgeClock(1_000, 4_000, 5_000)).toMatchObject({ result: 'wrong' });
  expect(judgeClock(9_000, 4_000, 5_000).found).toContain('4.0 s off');
});
