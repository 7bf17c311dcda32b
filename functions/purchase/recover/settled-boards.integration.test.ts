import { afterAll, beforeAll, expect, test } from 'vitest';
import { topOf } from '#lib/board/board.ts';
import { boardKeysOf, marksKey, restoreBoards } from '#lib/board/restore.ts';
import { settledSaleKeptSeconds } from '#lib/constants.ts';
import { boardKey, boardKinds, productsBoardKey } from '#lib/names.ts';
import { accepted, aPurchase, type Bench, openOwnBench } from '../testing/purchase-fixture.ts';
import { dropOldProducts, restoreSettledBoards } from './settled-boards.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openOwnBench();
});
afterAll(() => bench.close());

const shown = async (productId: string) => ({
  members: await Promise.all(
    boardKinds.map(async (kind) =>
      (await topOf(bench.redis, productId, kind, 10)).map(({ member }) => member),
    ),
  ),
  sold: await bench.redis.zscore(productsBoardKey, productId),
});

/** As FLUSHALL would, for this product alone. */
async function loseBoards(productId: string) {
  const boards = boardKinds.map((kind) => boardKey(productId, kind));
  await bench.redis.del(...boards, ...boards.map(marksKey));
  await bench.redis.zrem(productsBoardKey, productId);
  await bench.redis.hdel(marksKey(productsBoardKey), productId);
}

test('the boards of settled sales come back from the rows, once, and no others', async () => {
  const { seller } = bench.instance();
  const ids = { settled: '', running: '', longAgo: '' };
  for (const name of ['settled', 'running', 'longAgo'] as const) {
    const productId = await bench.product({ limitPerUser: 5 });
    ids[name] = productId;
    for (const [userId, quantity] of [
      ['ann', 1],
      ['bob', 2],
    ] as const) {
      const purchase = aPurchase(productId, { userId, quantity });
      expect(await seller.purchase(productId, [purchase])).toEqual([{ ...accepted, quantity }]);
    }
    await bench.persistAll(productId);
    await loseBoards(productId);
  }
  const dayUs = 24 * 3_600_000_000;
  const nowUs = Date.now() * 1_000;
  await bench.update(ids.settled, { state: 'settled', closesAt: nowUs });
  await bench.update(ids.longAgo, { state: 'settled', closesAt: nowUs - 8 * dayUs });

  expect(await restoreSettledBoards(bench)).toBe(1);
  expect(await shown(ids.settled)).toEqual({
    members: [
      ['ann', 'bob'],
      ['bob', 'ann'],
      ['bob', 'ann'],
    ],
    sold: '3',
  });
  expect((await shown(ids.longAgo)).sold).toBeNull();
  expect((await shown(ids.running)).sold).toBeNull();
  expect(await restoreSettledBoards(bench)).toBe(0);

  // They leave by themselves, as the sale does.
  for (const key of boardKeysOf(ids.settled)) {
    const seconds = await bench.redis.ttl(key);
    expect(seconds).toBeGreaterThan(settledSaleKeptSeconds - 60);
    expect(seconds).toBeLessThanOrEqual(settledSaleKeptSeconds);
  }

  // Nothing was sold in it: that is known, too.
  const empty = await bench.product({ state: 'settled', closesAt: nowUs, generation: 1 });
  expect(await restoreSettledBoards(bench)).toBe(1);
  expect(await restoreSettledBoards(bench)).toBe(0);
  expect((await shown(empty)).sold).toBeNull();
});

test('a product whose sale was settled a week ago is hot no more', async () => {
  const weekUs = settledSaleKeptSeconds * 1_000_000;
  const nowUs = Date.now() * 1_000;
  const over = { state: 'settled', generation: 1 } as const;
  const old = await bench.product({ ...over, closesAt: nowUs - weekUs });
  const recent = await bench.product({ ...over, closesAt: nowUs - weekUs / 2 });
  const running = await bench.product({ generation: 1, closesAt: nowUs - weekUs });
  const buyers = [{ userId: 'ann', userFirstAt: nowUs - weekUs, userQuantity: 2 }];
  const all = [old, recent, running];
  for (const productId of all) {
    await restoreBoards(bench.redis, productId, buyers, 2, { generation: 1, lastAtUs: nowUs });
  }
  await dropOldProducts(bench);
  expect(await bench.redis.zmscore(productsBoardKey, ...all)).toEqual([null, '2', '2']);
  const marks = await bench.redis.hmget(marksKey(productsBoardKey), ...all);
  expect(marks.map((mark) => mark !== null)).toEqual([false, true, true]);
});
