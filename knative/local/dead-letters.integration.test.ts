// The way of a poisoned event, on the whole system and from outside: refused by the sink, told of
// with its reason, mended, replayed, a row; and one that cannot be mended comes back, and is dropped.

import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { published } from '#functions/purchase/dead-letters/letters-fixture.ts';
import { eventType, ordersTopic } from '#lib/names.ts';
import { anEventOf } from '#lib/testing/order-events.ts';
import { startTestRuntime, type TestRuntime, until } from '#lib/testing/runtime.ts';

let system: TestRuntime;
beforeAll(async () => {
  system = await startTestRuntime();
}, 240_000);
afterAll(async () => {
  await system.stop();
}, 60_000);

interface Letter {
  readonly id: string;
  readonly sink: string;
  readonly reason: string;
  readonly batchId: string;
  readonly productId: string | null;
}

async function run(...args: readonly string[]) {
  const { status, stdout, stderr } = await system.cli(...args, '-o', 'json');
  expect(stdout, `${args.join(' ')}: ${stderr}`).not.toBe('');
  return { status, stderr, json: JSON.parse(stdout) as unknown };
}

const letters = async (productId: string, ...more: readonly string[]) =>
  (await run('dead-letters', 'list', '--product', productId, ...more)).json as Letter[];

/** Open letters, once there are so many. */
const untilOpen = (productId: string, count: number) =>
  until('the letters are there', 60_000, async () => {
    const open = await letters(productId);
    return open.length >= count ? open : undefined;
  });

async function produce(productId: string, number: number, orders: number): Promise<void> {
  const keys = (system.env.SECKILL_SIGNING_KEYS ?? '').split(',');
  const { value, headers } = published(anEventOf(orders, productId), keys, number);
  await produceRecord(value, headers);
}

async function produceRecord(value: string, headers: Readonly<Record<string, string | Buffer>>) {
  const brokers = (system.env.SECKILL_KAFKA_BROKERS ?? '').split(',');
  const producer = new Kafka({ brokers, logLevel: logLevel.NOTHING }).producer();
  await producer.connect();
  await producer.send({
    topic: ordersTopic,
    messages: [{ partition: 0, value, headers: { ...headers } }],
  });
  await producer.disconnect();
}

test('refused, told of, mended, replayed: a row', async () => {
  await produce('early', 1, 2);
  const [letter, ...others] = await untilOpen('early', 1);
  expect(others).toEqual([]);
  expect(letter).toMatchObject({
    ...{ sink: 'persist-order', batchId: 'early.1.1', orders: 2, code: 422, ours: true },
    reason: 'data.productId is not on sale here',
  });
  const id = letter?.id ?? '';

  // Not mended yet: it comes back, as a letter of its own.
  const tooEarly = await run('dead-letters', 'replay', id, '--timeout', '2m');
  expect(tooEarly).toMatchObject({ status: 1, json: { orders: 2, rows: 0 } });
  const [again, ...more] = await untilOpen('early', 1);
  expect(more).toEqual([]);
  expect(again?.id).not.toBe(id);
  expect(tooEarly.json).toMatchObject({ deadAgain: [again?.id] });

  const create = ['sale', 'create', 'early', '--name', 'Früh', '--price', '100', '--limit', '9'];
  expect(await run(...create, '--stock', '5')).toMatchObject({ status: 0 });
  const replayed = await run('dead-letters', 'replay', '--product', 'early', '--timeout', '2m');
  expect(replayed, replayed.stderr).toMatchObject({
    status: 0,
    json: { letters: [{ id: again?.id, result: 'replayed' }], orders: 2, rows: 2, deadAgain: [] },
  });
  const rows = (await run('orders', 'list', 'early')).json;
  expect(rows).toMatchObject([{ status: 'confirmed' }, { status: 'confirmed' }]);
  expect(await letters('early')).toEqual([]);
  expect(await letters('early', '--all')).toHaveLength(2);
  const log = (await run('sale', 'log', 'early')).json as { action: string }[];
  expect(log.map(({ action }) => action).sort()).toEqual([
    ...['create', 'replay_letters', 'replay_letters'],
  ]);
}, 400_000);

test('what cannot be mended is dropped, and stays dropped', async () => {
  await produce('never', 1, 1);
  const [letter] = await untilOpen('never', 1);
  const id = letter?.id ?? '';
  // There is no terminal here, so nobody can be asked.
  expect(await run('dead-letters', 'drop', id)).toMatchObject({ status: 1 });
  const dropped = await run('dead-letters', 'drop', id, '--yes');
  expect(dropped).toMatchObject({ status: 0, json: { letters: [{ id, result: 'dropped' }] } });
  expect(await letters('never')).toEqual([]);
  const late = await run('dead-letters', 'replay', id);
  expect(late).toMatchObject({ status: 1, json: { letters: [{ result: 'already_decided' }] } });
}, 200_000);

test('what is no event, or cannot be sent, is told of with where and why, and nothing stops', async () => {
  const ce = { ce_specversion: '1.0', ce_source: '/test', ce_type: 'test' };
  const bytes = { ...ce, ce_id: 'bytes', 'content-type': Buffer.from([0xff, 0xfe]) };
  await produceRecord('{}', bytes);
  await produceRecord('{}', { ...ce, ce_id: '\u001b[31mred\n' });
  await produceRecord('{nope', { 'content-type': 'application/cloudevents+json' });
  const strange = await until('the letters are there', 60_000, async () => {
    const open = (await run('dead-letters', 'list')).json as Letter[];
    const found = open.filter(({ productId }) => productId === null);
    return found.length >= 6 ? found : undefined;
  });
  for (const sink of ['persist-order', 'update-rank']) {
    const letters = strange.filter((letter) => letter.sink === sink);
    const byId = letters.toSorted((one, other) => (one.batchId < other.batchId ? -1 : 1));
    const where = expect.stringContaining('http://') as string;
    expect(byId).toMatchObject([
      { batchId: '%1B[31mred%0A', where, code: 422, reason: `ce-type is not ${eventType}` },
      { batchId: 'bytes', where, code: null, reason: 'HTTP cannot carry its content-type' },
      { type: 'dev.knative.kafka.event', where, code: 422, bytes: 5 },
    ]);
    expect(byId[2]?.reason).toMatch(/JSON/);
  }
  await produce('after', 1, 1);
  await untilOpen('after', 1);
}, 200_000);
