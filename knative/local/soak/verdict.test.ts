import { expect, test } from 'vitest';
import type { ProcessSample, Sample } from './sample.ts';
import { growing, heldOf } from './verdict.ts';

const everySeconds = 5;
const lookSeconds = 600;

type What = (seconds: number) => Partial<ProcessSample>;

function looksAt(what: What, isCalm: (seconds: number) => boolean = () => true): Sample[] {
  const stores = { redis: null, etcd: null, mysql: null, outboxOrders: null, lagEvents: null };
  return Array.from({ length: lookSeconds / everySeconds + 1 }, (_, at) => {
    const seconds = at * everySeconds;
    const one: ProcessSample = {
      ...{ name: 'purchase', pid: 1, residentMb: 100, proportionalMb: 90, anonymousMb: 80 },
      ...{ threads: 11, handles: { sockets: 20, files: 10, others: 10 } },
      ...what(seconds),
    };
    return {
      ...{ seconds, isCalm: isCalm(seconds), acceptedSoFar: 0, processes: [one] },
      ...{ stores, diskMb: {} },
    };
  });
}

const named = (what: What, isCalm?: (seconds: number) => boolean) =>
  growing(heldOf(looksAt(what, isCalm))).map((line) => line.split(' grew')[0]);

test('what stays where it is does not grow', () => {
  expect(named(() => ({}))).toEqual([]);
  expect(heldOf(looksAt(() => ({}))).map(({ figure }) => figure)).toEqual([
    ...['memory', 'handles', 'threads'],
  ]);
});

test.each<readonly [string, What]>([
  ['memory', (seconds) => ({ residentMb: 100 + seconds / 20 })],
  ['handles', (seconds) => ({ handles: { sockets: seconds / 20, files: 0, others: 9 } })],
  ['threads', (seconds) => ({ threads: 10 + seconds / 30 })],
  ['series', (seconds) => ({ series: 100 + seconds })],
  ['heap', (seconds) => ({ node: nodeWith({ heapKeptMb: 20 + seconds / 40 }) })],
  ['resources', (seconds) => ({ node: nodeWith({ resources: { Timeout: seconds / 10 } }) })],
])('%s that grows is told', (figure, what) => {
  expect(named(what)).toEqual([`purchase: ${figure}`]);
});

test('a store fills what it is configured for, and no more', () => {
  const of = (name: string, startMb: number) =>
    named((seconds) => ({ name, residentMb: startMb + seconds / 2 }));
  expect(of('kafka-2', 400)).toEqual([]);
  expect(of('kafka-2', 900)).toEqual(['kafka-2: memory']);
  expect(of('mysql', 100)).toEqual([]);
  expect(of('etcd', 30)).toEqual(['etcd: memory']);
});

test('what a fault has piled up does not count, if it goes again', () => {
  const isBroken = (seconds: number) => seconds > 480 && seconds < 540;
  const what: What = (seconds) => ({
    handles: { sockets: isBroken(seconds) ? 5_000 : 20, files: 10, others: 10 },
  });
  expect(named(what, (seconds) => !isBroken(seconds))).toEqual([]);
  const stays: What = (seconds) => what(Math.min(seconds, 500));
  expect(named(stays)).toEqual(['purchase: handles']);
});

test('a process that was restarted counts from then', () => {
  const restartedAt = 300;
  const held = heldOf(
    looksAt((seconds) => ({
      pid: seconds < restartedAt ? 1 : 2,
      residentMb: seconds < restartedAt ? 60 : 160,
    })),
  );
  expect(growing(held)).toEqual([]);
  expect(new Set(held.map(({ from, to }) => `${from}-${to}`))).toEqual(
    new Set(['0-295', '300-600']),
  );
});

test('of one that was restarted a moment ago, or a short run, nothing is said', () => {
  const what: What = (seconds) => ({ pid: seconds < 400 ? 1 : 2, residentMb: 2 * seconds });
  const held = heldOf(looksAt(what)).filter(({ figure }) => figure === 'memory');
  expect(held.map(({ to, verdict }) => [to, verdict])).toEqual([
    [395, 'grows'],
    [600, 'too short'],
  ]);
  const short = looksAt((seconds) => ({ residentMb: 50 + seconds })).slice(0, 37);
  expect(growing(heldOf(short))).toEqual([]);
});

test('clients that come and go hide no leak, and are none', () => {
  const of = (leak: number) =>
    named((seconds) => {
      const clients = seconds % 15 === 0 ? 20 : 20 + ((seconds * 37) % 400) * (seconds / 600);
      return { handles: { sockets: clients + seconds * leak, files: 4, others: 18 } };
    });
  expect(of(0)).toEqual([]);
  expect(of(0.1)).toEqual(['purchase: handles']);
});

test('connections that are kept are filled up, and no more than that', () => {
  const of = (name: string, start: number) =>
    named((seconds) => {
      return { name, handles: { sockets: start + seconds / 10, files: 4, others: 18 } };
    });
  expect(of('source-runner', 20)).toEqual([]);
  expect(of('source-runner', 300)).toEqual(['source-runner: handles']);
  expect(of('purchase', 20)).toEqual(['purchase: handles']);
});

function nodeWith(given: Partial<NonNullable<ProcessSample['node']>>) {
  return {
    ...{
      heapKeptMb: null,
      heapTotalMb: 30,
      externalMb: 1,
      arrayBuffersMb: 1,
      loopP99Ms: 10,
      loopMaxMs: 20,
    },
    ...{ resources: {}, ...given },
  };
}
