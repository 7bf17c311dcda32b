// What operators see of dead letters and decide about them, on real Kafka and MySQL.

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createTopics } from '#knative/local/topics.ts';
import { sign } from '#lib/http/signature.ts';
import { uniqueProductId } from '#lib/testing/unique.ts';
import type { Answer, TestApp } from '../testing/app-fixture.ts';
import type { Decided } from './decide-letters.ts';
import { droppedBatches } from './decisions.ts';
import {
  aLetter,
  type LetterBench,
  openLetterBench,
  published,
  refusal,
} from './letters-fixture.ts';
import type { ListedLetter } from './list-letters.ts';
import type { ReplayProgress } from './replay-progress.ts';

let on: LetterBench;
let keys: readonly string[];
beforeAll(async () => {
  on = await openLetterBench();
  keys = on.bench.signingKeys;
});
afterAll(() => on.close());

const persistTopic = () => on.names.topics['persist-order'];
const path = '/operator/dead-letters';

async function ask(query: string, app: TestApp = on.app): Promise<Answer> {
  return app.call('GET', `${path}${query}`, { operator: 'ann' });
}

/** All open letters of a product, or all there ever were. */
async function list(productId: string, more = ''): Promise<ListedLetter[]> {
  const { status, body } = await ask(`?productId=${productId}${more}`);
  expect(status).toBe(200);
  return body.letters as ListedLetter[];
}

async function decide(
  action: 'replay' | 'drop',
  body: object,
  call: { operationId?: string; operator?: string; app?: TestApp } = {},
) {
  const { app = on.app, ...given } = call;
  return app.operate(`dead-letters/${action}`, { body, ...given });
}

const lettersIn = ({ body }: Answer) => body.letters as Decided[];

async function progressOf(operationId: string): Promise<ReplayProgress> {
  // A Kafka that has just started has no coordinator of groups for a while.
  return vi.waitFor(
    async () => {
      const { status, body } = await ask(`/replays/${operationId}`);
      if (status !== 200) throw new Error(JSON.stringify(body));
      return body as unknown as ReplayProgress;
    },
    { timeout: 20_000, interval: 100 },
  );
}

test('a letter is told of: what it is, when it died, where and why, and nobody’s name', async () => {
  const productId = uniqueProductId();
  const letter = aLetter(productId, keys, { number: 7, orders: 3 });
  const diedMs = Date.now() - 5_000;
  await on.produce(persistTopic(), [{ ...letter, partition: 2, timestamp: String(diedMs) }]);
  const [told, ...others] = await list(productId);
  expect(others).toEqual([]);
  expect(told).toEqual({
    id: expect.stringMatching(/^persist-order\/2\/\d+$/) as string,
    sink: 'persist-order',
    ...{ productId, batchId: letter.batchId, type: 'seckill.orders.accepted.v1', orders: 3 },
    bytes: letter.value.length,
    acceptedAt: new Date(letter.event.acceptedAt / 1_000).toISOString(),
    diedAt: new Date(diedMs).toISOString(),
    ...{ where: 'http://persist-order.seckill.svc', code: 422, reason: 'no such sale' },
    ...{ ours: true, readable: true, decision: null },
  });
  const text = JSON.stringify((await ask(`?productId=${productId}`)).body);
  for (const { userId, orderId } of letter.event.orders) {
    expect(text).not.toContain(userId);
    expect(text).not.toContain(orderId);
  }
});

test('what is no event is told of, too, as far as it can be read', async () => {
  const esc = '\u001b';
  const cutOff = refusal('x'.repeat(2_000));
  const junk = [
    { value: null },
    { value: Buffer.from([0xff, 0x00, 0xfe]) },
    { value: 'x'.repeat(900_000), headers: { ce_id: 'i'.repeat(5_000), ce_subject: 'a/b' } },
    { value: '{"orders":7}', headers: { ce_time: 'yesterday' } },
    { value: '[]', headers: { ce_knativeerrordata: `${esc}[2Jgone\r\n\u202eaway` } },
    { value: '', headers: { ce_knativeerrordata: Buffer.from(cutOff).toString('base64') } },
    { value: '{}', headers: { ce_knativeerrordata: Buffer.from([0xff]).toString('base64') } },
  ];
  const topic = on.names.topics['update-rank'];
  await on.produce(
    topic,
    junk.map((one) => ({ ...one, partition: 1 })),
  );
  const { status, body } = await ask('?sink=update-rank&limit=500');
  expect(status).toBe(200);
  const letters = (body.letters as ListedLetter[]).filter(({ id }) => id.includes('/1/'));
  expect(letters).toHaveLength(junk.length);
  for (const { ours, readable, productId } of letters)
    expect({ ours, readable, productId }).toEqual({
      ours: false,
      readable: false,
      productId: null,
    });
  const [empty, binary, huge, odd, hostile, long, broken] = letters;
  expect(empty).toMatchObject({ bytes: 0, orders: null, batchId: null, type: null, reason: null });
  expect(binary).toMatchObject({ bytes: 3, orders: null });
  expect(huge).toMatchObject({ bytes: 900_000 });
  expect(huge?.batchId).toHaveLength(96);
  expect(odd).toMatchObject({ orders: null, acceptedAt: null });
  expect(hostile?.reason).toBe('[2Jgone away');
  expect(long?.reason).toMatch(/^x{199}…$/);
  expect(broken?.reason).toBe('\ufffd');
  expect(JSON.stringify(body).length).toBeLessThan(20_000);
});

test('pages hold every letter once, whichever are asked for', async () => {
  const productId = uniqueProductId();
  const letters = Array.from({ length: 25 }, (_, at) => ({
    ...aLetter(productId, keys, { number: at + 1 }),
    partition: at % 3,
  }));
  await on.produce(persistTopic(), letters.slice(0, 17));
  await on.produce(on.names.topics['update-rank'], letters.slice(17));
  const pages = async (more: string) => {
    const found: ListedLetter[] = [];
    for (let next: string | null = ''; next !== null; ) {
      const after: string = next === '' ? '' : `&after=${encodeURIComponent(next)}`;
      const { body } = await ask(`?limit=4${more}${after}`);
      const page = body.letters as ListedLetter[];
      expect(page.length).toBeLessThanOrEqual(4);
      found.push(...page);
      next = body.next as string | null;
    }
    return found;
  };
  const all = await pages(`&productId=${productId}`);
  expect(all.map(({ batchId }) => batchId).sort()).toEqual(
    letters.map(({ batchId }) => batchId).sort(),
  );
  expect(new Set(all.map(({ id }) => id)).size).toBe(25);
  expect(await pages(`&productId=${productId}&sink=update-rank`)).toHaveLength(8);
  const anybodys = await pages('');
  expect(anybodys.map(({ id }) => id)).toEqual(expect.arrayContaining(all.map(({ id }) => id)));
});

test('a replay publishes the event as it was, and the letter is not open any more', async () => {
  const productId = await on.bench.product();
  const letter = aLetter(productId, keys, { orders: 2 });
  await on.produce(persistTopic(), [letter]);
  const [{ id } = { id: '' }] = await list(productId);
  const operationId = randomUUID();
  const answer = await decide('replay', { ids: [id] }, { operationId, operator: 'Ольга' });
  expect(answer.status).toBe(200);
  expect(lettersIn(answer)).toMatchObject([{ id, result: 'replayed' }]);
  const [record, ...others] = (await on.published()).filter(
    ({ headers }) => headers.ce_subject?.toString() === productId,
  );
  expect(others).toEqual([]);
  const headers = Object.entries(record?.headers ?? {}).map(([name, text]) => [name, String(text)]);
  expect(Object.fromEntries(headers)).toEqual(published(letter.event, keys).headers);
  expect(record?.value?.toString()).toBe(letter.value);
  expect(record?.key?.toString()).toBe(letter.key);

  expect(await list(productId)).toEqual([]);
  const decision = { action: 'replayed', operator: 'Ольга', operationId };
  expect(await list(productId, '&all=true')).toMatchObject([{ id, decision }]);
  const log = await on.app.call('GET', `/operator/sales/${productId}/log`, { operator: 'ann' });
  expect(log.body.log).toMatchObject([
    { action: 'replay_letters', operator: 'Ольга', operationId, details: { letters: [id] } },
  ]);

  expect(await progressOf(operationId)).toMatchObject({
    ...{ letters: 1, delivered: false, orders: null, rows: null, deadAgain: null },
    lag: { 'persist-order': 1, 'update-rank': 1 },
  });
  await on.deliverAll();
  expect(await progressOf(operationId)).toMatchObject({
    ...{ delivered: true, orders: 2, rows: 0, deadAgain: [] },
    lag: { 'persist-order': 0, 'update-rank': 0 },
  });
});

test('the same operation again changes nothing, another one is told what was decided', async () => {
  const productId = uniqueProductId();
  await on.produce(persistTopic(), [aLetter(productId, keys)]);
  const [{ id } = { id: '' }] = await list(productId);
  const operationId = randomUUID();
  const first = await decide('replay', { ids: [id] }, { operationId });
  const count = (await on.published()).length;
  expect((await decide('replay', { ids: [id] }, { operationId })).body).toEqual(first.body);
  const other = await decide('drop', { ids: [id] });
  expect(lettersIn(other)).toMatchObject([
    { id, result: 'already_decided', decision: { action: 'replayed', operationId } },
  ]);
  expect(await on.published()).toHaveLength(count);
  const misused = await decide('replay', { ids: [id], force: true }, { operationId });
  expect(misused).toMatchObject({ status: 409, body: { outcome: 'conflict' } });
  const again = await decide('replay', { ids: [id], force: true }, { operator: 'bob' });
  expect(lettersIn(again)).toMatchObject([{ result: 'replayed', decision: { operator: 'bob' } }]);
  expect(await on.published()).toHaveLength(count + 1);
});

test('a letter that comes back is a new one, and is named', async () => {
  const productId = uniqueProductId();
  const letter = aLetter(productId, keys);
  await on.produce(persistTopic(), [letter]);
  const [{ id } = { id: '' }] = await list(productId);
  const operationId = randomUUID();
  await decide('replay', { ids: [id] }, { operationId });
  await on.produce(persistTopic(), [{ ...letter, partition: 1 }]);
  await on.deliverAll();
  const [again] = await list(productId);
  expect(again?.id).not.toBe(id);
  expect(await progressOf(operationId)).toMatchObject({ deadAgain: [again?.id] });
});

test('what we did not sign is refused with a reason, and goes out by force', async () => {
  const productId = uniqueProductId();
  const foreign = aLetter(productId, ['somebody else’s key of 32 characters']);
  await on.produce(persistTopic(), [foreign, aLetter(productId, keys, { number: 2 })]);
  const ids = (await list(productId)).map(({ id }) => id);
  const count = (await on.published()).length;
  const [refused, replayed] = lettersIn(await decide('replay', { ids }));
  expect(refused).toMatchObject({ id: ids[0], result: 'refused' });
  expect(refused?.reason).toContain('SECKILL_SIGNING_KEYS');
  expect(replayed).toMatchObject({ id: ids[1], result: 'replayed' });
  expect((await list(productId)).map(({ id }) => id)).toEqual(ids.slice(0, 1));
  expect(await on.published()).toHaveLength(count + 1);
  await decide('replay', { ids: ids.slice(0, 1), force: true });
  expect(await list(productId)).toEqual([]);
  expect(await on.published()).toHaveLength(count + 2);
});

test('what we signed but this release cannot read is ours, and may be replayed', async () => {
  const productId = await on.bench.product();
  const next = aLetter(productId, keys);
  const garbled = { ...aLetter(productId, keys, { number: 2 }), value: '{}' };
  const foreign = aLetter(productId, ['somebody else’s key of 32 characters'], { number: 3 });
  await on.produce(persistTopic(), [
    { ...next, headers: { ...next.headers, ce_type: 'seckill.orders.accepted.v2' } },
    {
      ...garbled,
      headers: { ...garbled.headers, ce_signature: sign(keys, garbled.batchId, '{}') },
    },
    foreign,
  ]);
  const letters = await list(productId);
  expect(letters.map(({ ours, readable }) => ({ ours, readable }))).toEqual([
    { ours: true, readable: false },
    { ours: true, readable: false },
    { ours: false, readable: true },
  ]);
  const answer = await decide('replay', { ids: letters.map(({ id }) => id) });
  const results = lettersIn(answer).map(({ result }) => result);
  expect(results).toEqual(['replayed', 'replayed', 'refused']);
  const sent = (await on.published()).filter(
    ({ headers }) => headers.ce_subject?.toString() === productId,
  );
  expect(sent.map(({ headers }) => headers.ce_type?.toString()).sort()).toEqual([
    'seckill.orders.accepted.v1',
    'seckill.orders.accepted.v2',
  ]);
});

test('a dropped letter is gone from the list, and told of with who dropped it', async () => {
  const [one, other] = [await on.bench.product(), await on.bench.product()];
  await on.produce(persistTopic(), [aLetter(one, keys), aLetter(other, keys), { value: 'x' }]);
  const dropped = [...(await list(one)), ...(await list(other))].map(({ id }) => id);
  const count = (await on.published()).length;
  const operationId = randomUUID();
  const answer = await decide('drop', { ids: dropped }, { operationId, operator: 'ann' });
  expect(lettersIn(answer).map(({ result }) => result)).toEqual(['dropped', 'dropped']);
  for (const productId of [one, other]) {
    expect(await list(productId)).toEqual([]);
    expect(await list(productId, '&all=true')).toMatchObject([
      { decision: { action: 'dropped', operator: 'ann', operationId } },
    ]);
    const log = await on.app.call('GET', `/operator/sales/${productId}/log`, { operator: 'ann' });
    expect(log.body.log).toMatchObject([{ action: 'drop_letters', operator: 'ann' }]);
  }
  expect(await on.published()).toHaveLength(count);
  expect((await ask(`/replays/${operationId}`)).status).toBe(404);
});

test('whoever is not us names no batch of ours: dropping theirs drops nothing of it', async () => {
  const productId = await on.bench.product();
  const forged = aLetter(productId, ['somebody else’s key of 32 characters'], { number: 1 });
  await on.produce(persistTopic(), [forged, aLetter(productId, keys, { number: 2 })]);
  const ids = (await list(productId)).map(({ id }) => id);
  expect(lettersIn(await decide('drop', { ids })).map(({ result }) => result)).toEqual([
    'dropped',
    'dropped',
  ]);
  expect(await list(productId)).toEqual([]);
  const batches = await droppedBatches(on.bench.mysql, productId, persistTopic());
  expect([...batches]).toEqual([`${productId}.1.2`]);
});

const tooMany = Array.from({ length: 101 }, (_, at) => `persist-order/0/${at}`);

test.each([
  ['a letter not written yet', 'replay', { ids: ['persist-order/0/999999'] }, 404],
  ['a partition that is not there', 'drop', { ids: ['persist-order/9/0'] }, 404],
  ['half an id', 'drop', { ids: ['persist-order/0'] }, 400],
  ['another topic', 'drop', { ids: ['orders/0/1'] }, 400],
  ['a letter twice', 'drop', { ids: ['update-rank/0/1', 'update-rank/0/1'] }, 400],
  ['no letter', 'drop', { ids: [] }, 400],
  ['too many letters', 'drop', { ids: tooMany }, 400],
  ['a drop by force', 'drop', { ids: ['persist-order/0/0'], force: true }, 400],
  ['an empty body', 'replay', {}, 400],
] as const)('%s is refused', async (_, action, body, status) => {
  expect((await decide(action, body)).status).toBe(status);
});

test.each(['?limit=0', '?limit=501', '?sink=x', '?after=x', '?productId=.', '?x=1'])(
  'a list %s is malformed',
  async (query) => {
    expect((await ask(query)).status).toBe(400);
  },
);

test('a crash between publishing and noting leaves the letter open', async () => {
  const productId = uniqueProductId();
  await on.produce(persistTopic(), [aLetter(productId, keys)]);
  const [{ id } = { id: '' }] = await list(productId);
  const { db, pool } = on.bench.mysql;
  const broken = new Proxy(db, {
    get: (target, name): unknown =>
      name === 'transaction'
        ? () => Promise.reject(new Error('gone'))
        : Reflect.get(target, name, target),
  });
  const app = on.appWith({ mysql: { db: broken, pool } });
  const operationId = randomUUID();
  const count = (await on.published()).length;
  expect((await decide('replay', { ids: [id] }, { app, operationId })).status).toBe(503);
  expect(await on.published()).toHaveLength(count + 1);
  expect(await list(productId)).toHaveLength(1);
  const again = await decide('replay', { ids: [id] }, { operationId });
  expect(lettersIn(again)).toMatchObject([{ result: 'replayed' }]);
  expect(await list(productId)).toEqual([]);
});

test('the same operation, sent twice at once, is noted once', async () => {
  const productId = await on.bench.product();
  await on.produce(persistTopic(), [aLetter(productId, keys)]);
  const [{ id } = { id: '' }] = await list(productId);
  const operationId = randomUUID();
  const both = await Promise.all(
    [1, 2].map(() => decide('replay', { ids: [id] }, { operationId })),
  );
  for (const answer of both) expect(lettersIn(answer)).toMatchObject([{ result: 'replayed' }]);
  const log = await on.app.call('GET', `/operator/sales/${productId}/log`, { operator: 'ann' });
  expect(log.body.log).toHaveLength(1);
});

test('where Kafka is away, it is said', async () => {
  const app = on.appWith({ kafka: { brokers: ['127.0.0.1:1'] } });
  const { status, body } = await ask('', app);
  expect(status).toBe(503);
  expect(body.detail).toContain('Kafka does not answer');
  const decided = await decide('drop', { ids: ['persist-order/0/0'] }, { app });
  expect(decided.status).toBe(503);
});

test('a page reads so much and no more, and the next goes on there', async () => {
  const productId = uniqueProductId();
  const some = Array.from({ length: 20_500 }, () => ({ partition: 1, value: '{}' }));
  for (let at = 0; at < some.length; at += 4_100) {
    await on.produce(persistTopic(), some.slice(at, at + 4_100));
  }
  await on.produce(persistTopic(), [{ ...aLetter(productId, keys), partition: 2 }]);
  const query = `?productId=${productId}&sink=persist-order`;
  const first = await ask(query);
  expect(first.body).toMatchObject({
    letters: [],
    next: expect.stringMatching(/^persist-order\//) as string,
  });
  const after = encodeURIComponent(String(first.body.next));
  const second = await ask(`${query}&after=${after}`);
  expect(second.body).toMatchObject({ letters: [{ productId }], next: null });
});

test('a topic that was made anew has new letters, whatever was decided about the old', async () => {
  const topic = on.names.topics['update-rank'];
  const productId = uniqueProductId();
  const more = '&sink=update-rank';
  const make = async () => {
    await on.admin.deleteTopics({ topics: [topic] });
    await vi.waitFor(async () => {
      expect(await on.admin.listTopics()).not.toContain(topic);
    }, 10_000);
    await vi.waitFor(() => createTopics(on.bench.kafka, [{ name: topic, partitions: 3 }]), 10_000);
    await vi.waitFor(() => on.produce(topic, [aLetter(productId, keys)]), 10_000);
  };
  await make();
  const [old] = await vi.waitFor(async () => {
    const letters = await list(productId, more);
    expect(letters).toHaveLength(1);
    return letters;
  }, 10_000);
  expect(old?.id).toBe('update-rank/0/0');
  await decide('drop', { ids: [old?.id] });
  expect(await list(productId, more)).toEqual([]);
  await make();
  await vi.waitFor(async () => {
    expect(await list(productId, more)).toMatchObject([{ id: old?.id, decision: null }]);
  }, 10_000);
  const again = await decide('drop', { ids: [old?.id] });
  expect(lettersIn(again)).toMatchObject([{ result: 'dropped' }]);
  expect(await list(productId, more)).toEqual([]);
});
