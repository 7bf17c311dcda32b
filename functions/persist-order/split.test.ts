import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { OrderBatch } from '#lib/http/cloud-event.ts';
import { batchIdOf } from '#lib/order-event.ts';
import { anEventOf } from '#lib/testing/order-events.ts';
import type { BatchResult } from './decide.ts';
import { splitWhereRefused } from './split.ts';

const outOfRange = Object.assign(new Error('no'), { code: 'ER_X', sqlState: '22003' });
const away = Object.assign(new Error('away'), { code: 'ECONNRESET' });

function aBatch(orders: number, batchNumber: number): OrderBatch {
  const event = anEventOf(orders, 'p', batchNumber * 100);
  return { batchId: batchIdOf('p', 1, batchNumber), event, acceptedAtMs: 0 };
}

/** MySQL, as far as it refuses rows: everything in a statement, for one of them. */
function aStore(failures: ReadonlyMap<string, Error>) {
  const rows: string[] = [];
  let transactions = 0;
  const write = (batches: readonly OrderBatch[]): Promise<readonly BatchResult[]> => {
    transactions += 1;
    const ids = batches.flatMap(({ event }) => event.orders.map(({ orderId }) => orderId));
    const failure = ids.map((id) => failures.get(id)).find((error) => error !== undefined);
    if (failure !== undefined) return Promise.reject(failure);
    rows.push(...ids);
    return Promise.resolve(
      batches.map(({ event }) => ({
        counts: { confirmed: event.orders.length, rejected: 0, repeated: 0, dropped: 0 },
        rejections: { unit_taken: 0, no_stock: 0 },
        statuses: event.orders.map(({ orderId }) => [orderId, 'confirmed'] as const),
      })),
    );
  };
  return { rows, write, transactions: () => transactions };
}

test('whichever orders are refused, all others are written once, in few transactions', async () => {
  const flags = fc.array(fc.boolean(), { minLength: 1, maxLength: 40 });
  const any = fc.array(flags, { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(any, async (refused) => {
      fc.pre(refused.flat().includes(true));
      const batches = refused.map((orders, index) => aBatch(orders.length, index));
      const isBad = (batch: number, order: number) => refused[batch]?.[order] === true;
      const failures = new Map(
        batches.flatMap(({ event }, batch) =>
          event.orders.flatMap(({ orderId }, index) =>
            isBad(batch, index) ? [[orderId, outOfRange] as const] : [],
          ),
        ),
      );
      const { rows, write, transactions } = aStore(failures);
      const results = await splitWhereRefused(batches, outOfRange, write);
      const all = batches.flatMap(({ event }) => event.orders.map(({ orderId }) => orderId));
      expect(rows).toEqual(all.filter((orderId) => !failures.has(orderId)));
      for (const [batch, result] of results.entries()) {
        if ('failed' in result) throw result.failed;
        const bad = (refused[batch] ?? []).flatMap((flag, index) => (flag ? [index] : []));
        expect((result.unwritable ?? []).map(({ index }) => index)).toEqual(bad);
        expect(result.counts.confirmed).toBe((refused[batch]?.length ?? 0) - bad.length);
        expect(result.statuses).toHaveLength(result.counts.confirmed);
      }
      // A wrong order costs the two halves on each level of its event.
      expect(transactions()).toBeLessThanOrEqual(batches.length + failures.size * 2 * 6);
    }),
  );
});

test('a batch for which MySQL is away fails alone', async () => {
  const batches = [aBatch(3, 1), aBatch(3, 2), aBatch(3, 3)];
  const orderAt = (batch: number, index: number) =>
    batches[batch]?.event.orders[index]?.orderId ?? '';
  const { rows, write } = aStore(
    new Map([
      [orderAt(0, 1), outOfRange],
      [orderAt(1, 2), away],
    ]),
  );
  const results = await splitWhereRefused(batches, outOfRange, write);
  expect(results[0]).toMatchObject({
    counts: { confirmed: 2 },
    unwritable: [{ index: 1, why: 'a value does not fit its column' }],
  });
  expect(results[1]).toEqual({ failed: away });
  expect(results[2]).toMatchObject({ counts: { confirmed: 3 } });
  expect(rows).not.toContain(orderAt(1, 2));
});

test('a row that is there after all is asked for again, not refused for good', async () => {
  const batch = aBatch(1, 1);
  const known = Object.assign(new Error('known'), { code: 'ER_DUP_ENTRY', sqlState: '23000' });
  const { write } = aStore(new Map());
  expect(await splitWhereRefused([batch], known, write)).toEqual([{ failed: known }]);
});
