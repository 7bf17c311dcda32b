// `dead-letters`, against a fake of the edge.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Decided } from '#functions/purchase/dead-letters/decide-letters.ts';
import type { ListedLetter } from '#functions/purchase/dead-letters/list-letters.ts';
import type { ReplayProgress } from '#functions/purchase/dead-letters/replay-progress.ts';
import { runCli } from './cli.ts';
import { type Answer, type FakeEdge, fakeKey, startFakeEdge } from './fake-edge.ts';

let edge: FakeEdge;
beforeEach(async () => {
  edge = await startFakeEdge();
});
afterEach(async () => {
  await edge.close();
  expect(edge.faults).toEqual([]);
});

interface Surroundings {
  readonly ask?: (question: string) => Promise<string>;
  readonly interrupted?: AbortSignal;
}

async function run(args: readonly string[], { ask, interrupted }: Surroundings = {}) {
  let out = '';
  let err = '';
  const status = await runCli(['dead-letters', ...args], {
    env: { SECKILL_URL: edge.url, SECKILL_JWT_KEY: fakeKey, SECKILL_OPERATOR: 'olga' },
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    interrupted: interrupted ?? new AbortController().signal,
    ask,
  });
  return { status, out, err };
}

const decision = {
  ...{ action: 'dropped', operator: 'ann', operationId: 'op-12345678' },
  at: '2026-11-22T20:05:00.000000Z',
};
const letter: ListedLetter = {
  ...{ id: 'persist-order/0/17', sink: 'persist-order', productId: 'phone' },
  ...{ batchId: 'phone.1.7', type: 'seckill.orders.accepted.v1', orders: 3, bytes: 900 },
  acceptedAt: '2026-11-22T20:00:00.000Z',
  diedAt: '2026-11-22T20:00:01.000Z',
  ...{ where: 'http://persist-order.seckill.svc', code: 422, reason: 'no such sale' },
  ...{ ours: true, readable: true, decision: null },
};
const junk: ListedLetter = {
  ...letter,
  ...{ id: 'update-rank/2/1', sink: 'update-rank', productId: null, batchId: null, type: null },
  ...{ orders: null, acceptedAt: null, diedAt: null, where: null, code: null, reason: null },
  ...{ ours: false, readable: false },
};
const path = '/operator/dead-letters';
const listRoute = `GET ${path}?limit=100`;
const openRoute = `GET ${path}?productId=phone&limit=100`;

describe('list', () => {
  test('is a table, and an array in JSON', async () => {
    edge.on(listRoute, { json: { letters: [letter, junk], next: null } });
    const { status, out, err } = await run(['list']);
    expect({ status, err }).toEqual({ status: 0, err: '' });
    const [header, first, second] = out.split('\n');
    expect(header).toMatch(/^ID +PRODUCT +BATCH +ORDERS +ACCEPTED +DIED +WHY$/);
    expect(first).toMatch(/^persist-order\/0\/17 +phone +phone\.1\.7 +3 +2026-11-22 20:00:00Z +/);
    expect(first).toContain('422 no such sale, by http://persist-order.seckill.svc');
    expect(second).toMatch(/^update-rank\/2\/1 +- +- +- +- +- +no answer \(not signed by us\)$/);
    expect(JSON.parse((await run(['list', '-o', 'json'])).out)).toEqual([letter, junk]);
    edge.on(listRoute, { json: { letters: [], next: null } });
    expect((await run(['list'])).out).toBe('No letters are open.\n');
  });

  test('tells what we signed but cannot read from what we did not sign', async () => {
    const next = { ...letter, readable: false, type: 'seckill.orders.accepted.v2' };
    edge.on(listRoute, { json: { letters: [next, { ...letter, ours: false }], next: null } });
    const [, first, second] = (await run(['list'])).out.split('\n');
    expect(first).toContain('(signed by us, type seckill.orders.accepted.v2, cannot be read by');
    expect(first).toContain('replay it once persist-order reads it');
    expect(second).toContain('(not signed by us, type seckill.orders.accepted.v1)');
  });

  test('goes on over empty pages, up to the limit, and says that there may be more', async () => {
    const next = 'persist-order/1/20000';
    const query = 'sink=persist-order&productId=phone';
    edge.on(`GET ${path}?${query}&limit=2`, { json: { letters: [], next } });
    const behind = `${query}&after=${encodeURIComponent(next)}`;
    edge.on(`GET ${path}?${behind}&limit=2`, { json: { letters: [letter, letter], next } });
    const options = ['--product', 'phone', '--sink', 'persist-order', '--limit', '2'];
    const { status, out, err } = await run(['list', ...options, '-o', 'json']);
    expect(status).toBe(0);
    expect(JSON.parse(out)).toHaveLength(2);
    expect(err).toContain('there may be more than 2: --limit');
  });

  test('--all shows who decided what, and when', async () => {
    const decided = { ...letter, decision };
    edge.on(`GET ${path}?all=true&limit=100`, { json: { letters: [decided, junk], next: null } });
    const { out } = await run(['list', '--all']);
    expect(out).toContain('dropped by ann, 2026-11-22 20:05:00Z');
    expect(out).toMatch(/open +no answer/);
  });
});

const replayed: Decided = {
  ...{ id: letter.id, result: 'replayed' },
  decision: { ...decision, action: 'replayed' },
};
const replayRoute = `POST ${path}/replay`;
const progress: ReplayProgress = {
  ...{ operationId: 'x', letters: 1, delivered: true, orders: 3, rows: 3, deadAgain: [] },
  lag: { 'persist-order': 0, 'update-rank': 0 },
};
const underWay = {
  ...{ ...progress, delivered: false, orders: null, rows: null, deadAgain: null },
  lag: { 'persist-order': 2, 'update-rank': 0 },
};

/** The route of a replay's progress is known once its operation id is. */
function onProgress(...answers: readonly Answer[]): void {
  edge.onAny(/^GET \/operator\/dead-letters\/replays\/[\w-]+$/, ...answers);
}

describe('replay', () => {
  test('publishes, waits for both sinks, and says what became of it', async () => {
    edge.on(replayRoute, { json: { letters: [replayed] } });
    onProgress({ json: underWay }, { json: progress });
    const { status, out, err } = await run(['replay', letter.id]);
    expect(status).toBe(0);
    expect(out).toMatch(/persist-order\/0\/17 +replayed\n/);
    expect(out).toMatch(/orders +3\nrows +3\ncame back +none\n/);
    expect(err).toBe(
      'published; events before the sinks’ answers: persist-order 2, update-rank 0\n',
    );
    const [asked, polled] = edge.asked;
    expect(asked?.body).toEqual({ ids: [letter.id], force: false });
    expect(polled?.route).toBe(`GET ${path}/replays/${String(asked?.operationId)}`);
  });

  test('many go out some at a time, each part under an operation id of its own', async () => {
    const letters = Array.from({ length: 130 }, (_, at) => ({
      ...letter,
      id: `persist-order/0/${at}`,
    }));
    edge.on(`GET ${path}?productId=phone&limit=500`, { json: { letters, next: null } });
    const asDone = (some: readonly ListedLetter[]) => ({
      json: { letters: some.map(({ id }) => ({ ...replayed, id })) },
    });
    edge.on(replayRoute, asDone(letters.slice(0, 100)), asDone(letters.slice(100)));
    onProgress({ json: progress });
    const options = ['--product', 'phone', '--limit', '1000', '-o', 'json'];
    const { status, out } = await run(['replay', ...options]);
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ orders: 6, rows: 6, deadAgain: [] });
    const parts = edge.asked.filter(({ route }) => route === replayRoute);
    expect(parts.map(({ body }) => (body as { ids: string[] }).ids.length)).toEqual([100, 30]);
    expect(new Set(parts.map(({ operationId }) => operationId)).size).toBe(2);
  });

  test('exits 1 where a letter came back', async () => {
    edge.on(replayRoute, { json: { letters: [replayed] } });
    onProgress({ json: { ...progress, rows: 0, deadAgain: ['persist-order/1/4'] } });
    const { status, out, err } = await run(['replay', letter.id]);
    expect(status).toBe(1);
    expect(out).toMatch(/came back +persist-order\/1\/4\n/);
    expect(err).toContain('1 letter came back');
  });

  test('exits 1 where one is refused, says why, and publishes nothing more', async () => {
    const refused = { id: letter.id, result: 'refused', reason: 'no key of ours has signed it' };
    edge.on(replayRoute, { json: { letters: [refused] } });
    const { status, out, err } = await run(['replay', letter.id, '--force']);
    expect(status).toBe(1);
    expect(out).toContain('no key of ours has signed it');
    expect(err).toContain('1 of 1 letters were not replayed');
    expect(edge.asked[0]?.body).toMatchObject({ force: true });
    expect(edge.asked).toHaveLength(1);
  });

  test('says what was decided before', async () => {
    const already = { id: letter.id, result: 'already_decided', reason: 'x', decision };
    edge.on(replayRoute, { json: { letters: [already] } });
    const { status, out } = await run(['replay', letter.id]);
    expect(status).toBe(1);
    expect(out).toContain('dropped by ann, 2026-11-22 20:05:00Z');
  });

  test('exits 2 where the sinks have not answered in time', async () => {
    edge.on(replayRoute, { json: { letters: [replayed] } });
    onProgress({ json: underWay });
    const { status, out, err } = await run(['replay', letter.id, '--timeout', '1ms']);
    expect(status).toBe(2);
    expect(out).toContain('replayed');
    expect(err).toContain('could not tell: events wait for persist-order 2');
  });

  test('exits 2 where nobody tells how far it is', async () => {
    edge.on(replayRoute, { json: { letters: [replayed] } });
    onProgress({ problem: 'unavailable', detail: 'Kafka does not answer', retryAfter: 60 });
    const { status, err } = await run(['replay', letter.id, '--timeout', '1ms']);
    expect(status).toBe(2);
    expect(err).toContain('Kafka does not answer');
  });

  test('--no-wait only publishes', async () => {
    edge.on(replayRoute, { json: { letters: [replayed] } });
    const { status, out } = await run(['replay', letter.id, '--no-wait', '-o', 'json']);
    expect(status).toBe(0);
    expect(JSON.parse(out)).toEqual({ letters: [replayed] });
    expect(edge.asked).toHaveLength(1);
  });

  test('Ctrl-C ends the waiting', async () => {
    edge.on(replayRoute, { json: { letters: [replayed] } });
    onProgress({ json: underWay });
    const interrupt = new AbortController();
    const running = run(['replay', letter.id], { interrupted: interrupt.signal });
    await expect.poll(() => edge.asked.length).toBeGreaterThan(1);
    interrupt.abort();
    const { status, err } = await running;
    expect(status).toBe(130);
    expect(err).toContain('`kn-seckill dead-letters list` shows what comes back');
    expect(err).not.toContain('Run it again');
  });

  test('tells of orders that have no row though nothing came back', async () => {
    edge.on(replayRoute, { json: { letters: [replayed] } });
    onProgress({ json: { ...progress, rows: 2 } });
    const { status, err } = await run(['replay', letter.id]);
    expect(status).toBe(0);
    expect(err).toContain('1 order has no row: it is of a sale');
  });

  test('an unknown letter is refused', async () => {
    const detail = 'persist-order/0/17: no such dead letter.';
    edge.on(replayRoute, { problem: 'not_found', detail });
    const { status, err } = await run(['replay', letter.id]);
    expect(status).toBe(1);
    expect(err).toContain('no such dead letter');
  });

  test('with nothing open there is nothing to do', async () => {
    edge.on(openRoute, { json: { letters: [], next: null } });
    const { status, out } = await run(['replay', '--product', 'phone']);
    expect(status).toBe(0);
    expect(out).toContain('No letters are open.');
  });
});

describe('drop', () => {
  const dropRoute = `POST ${path}/drop`;
  const dropped = { id: letter.id, result: 'dropped', decision };

  test('asks first, and says what it means', async () => {
    edge.on(dropRoute, { json: { letters: [dropped] } });
    const questions: string[] = [];
    const ask = (question: string) => {
      questions.push(question);
      return Promise.resolve(' drop\n');
    };
    const { status, out } = await run(['drop', letter.id], { ask });
    expect(status).toBe(0);
    expect(out).toMatch(/persist-order\/0\/17 +dropped\n/);
    expect(questions[0]).toContain('This drops 1 letter for good: an accepted order in it');
    expect(questions[0]).toContain('calls it lost until the sale is rebuilt');
    expect(edge.asked[0]?.body).toEqual({ ids: [letter.id] });
  });

  test.each(['', 'y', 'no'])('drops nothing for %j', async (answer) => {
    const { status, err } = await run(['drop', letter.id], { ask: () => Promise.resolve(answer) });
    expect(status).toBe(1);
    expect(err).toContain('nothing was dropped');
    expect(edge.asked).toEqual([]);
  });

  test('without a terminal it needs --yes', async () => {
    const { status, err } = await run(['drop', letter.id]);
    expect(status).toBe(1);
    expect(err).toContain('--yes');
    expect(edge.asked).toEqual([]);
    edge.on(dropRoute, { json: { letters: [dropped] } });
    const { status: done, out } = await run(['drop', letter.id, '--yes', '-o', 'json']);
    expect(done).toBe(0);
    expect(JSON.parse(out)).toEqual({ letters: [dropped] });
  });

  test('exits 1 where one was decided before', async () => {
    edge.on(dropRoute, { json: { letters: [{ ...replayed, result: 'already_decided' }] } });
    const { status, out } = await run(['drop', letter.id, '--yes']);
    expect(status).toBe(1);
    expect(out).toContain('replayed by ann');
  });
});

test.each([
  [['replay'], 'say which letters'],
  [['drop', '--yes'], 'say which letters'],
  [['replay', letter.id, '--all-open'], 'not by both'],
  [['replay', 'persist-order/1'], 'persist-order/0/17'],
  [['replay', 'orders/0/1'], 'persist-order/0/17'],
  [['replay', letter.id, '--timeout', 'soon'], '--timeout'],
  [['list', '--sink', 'mysql'], 'persist-order, update-rank'],
  [['list', '--limit', '0'], '--limit'],
  [['list', '--product', 'a/b'], 'product id'],
])('usage: %j', async (args, names) => {
  const { status, out, err } = await run(args);
  expect({ status, out }).toEqual({ status: 64, out: '' });
  expect(err).toContain(names);
  expect(edge.asked).toEqual([]);
});
