import { afterAll, expect, test } from 'vitest';
import { connectRedis } from '#lib/redis/connect.ts';
import { createLog } from '#lib/telemetry/log.ts';
import { findOrders } from './find-orders.ts';
import { noteStatus } from './note-status.ts';
import { connectTestRedis, loadTestSale } from './test-sale.ts';

const redis = connectTestRedis();
afterAll(() => redis.quit());

test('each order is found with its status, in the order asked for', async () => {
  const sale = await loadTestSale(redis, { limit: 5 });
  const [first, ...later] = ['ann', 'a|b|c', '操作 员'].map((userId) => sale.purchase({ userId }));
  if (first === undefined) throw new Error('no purchase');
  const ids = [...later, first].map(({ orderId }) => orderId);
  const look = async (asked: readonly string[] = ids) => {
    const found = await findOrders(redis, sale.productId, asked);
    return found.map((order) => order && `${order.userId} ${order.status}`);
  };
  await sale.decide([first]);
  expect(await look()).toEqual([undefined, undefined, 'ann pending']);
  await sale.publishAll();
  await sale.decide(later);
  expect(await look()).toEqual(['a|b|c pending', '操作 员 pending', 'ann accepted']);
  // Noted before its batch is acknowledged: its row is there, whatever the outbox says.
  await noteStatus(redis, sale.productId, [[ids[0] ?? '', 'confirmed']]);
  expect(await look()).toEqual(['a|b|c confirmed', '操作 员 pending', 'ann accepted']);
  await sale.publishAll();
  await noteStatus(redis, sale.productId, [[ids[1] ?? '', 'rejected']]);
  expect(await look()).toEqual(['a|b|c confirmed', '操作 员 rejected', 'ann accepted']);
  expect(await look([])).toEqual([]);
});

test('more ids than one call takes, and a sale that Redis does not have', async () => {
  const sale = await loadTestSale(redis, { stock: 2_000, limit: 2_000 });
  const purchases = Array.from({ length: 500 }, () => sale.purchase());
  await sale.decide(purchases);
  await sale.publishAll();
  const ids = [...purchases, ...purchases, ...purchases].map(({ orderId }) => orderId);
  const found = await findOrders(redis, sale.productId, ids);
  expect(found.map((order) => order?.userId)).toEqual(
    [...purchases, ...purchases, ...purchases].map(({ userId }) => userId),
  );
  expect(await findOrders(redis, 'no-such-sale', ids.slice(0, 2))).toEqual([undefined, undefined]);
});

test('throws where Redis is away', async () => {
  const away = connectRedis({ urls: ['redis://127.0.0.1:1'] }, createLog('test', 'silent'));
  await expect(findOrders(away, 'p1', ['p1.1234567890123456789012'])).rejects.toThrow();
  away.disconnect();
});
