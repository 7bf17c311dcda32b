// The verdict on a sale whose system was crashed: by `verify`, by MySQL's rows, and by what its
// buyers were told.

import { expect } from 'vitest';
import type { Crowd } from './crowd.ts';
import type { Fleet } from './fleet.ts';
import { type Operator, rowsOf } from './operator.ts';

/** Settles the sale; throws where it is not exactly what the buyers know. */
export async function judge(
  fleet: Fleet,
  operator: Operator,
  productId: string,
  crowd: Crowd,
): Promise<void> {
  await operator.settle(productId);
  await crowd.askAgain();
  const verdict = await operator.verify(productId);
  const { orderIds, units } = await rowsOf(fleet, productId);
  const sold = crowd.accepted.size - crowd.cancelled.size;
  expect(verdict).toMatchObject({
    ...{ sold, rows: sold, units: sold, oversold: 0, lost: 0, duplicated: 0, problems: [] },
    waiting: [],
    ok: true,
  });
  expect(orderIds).toEqual([...crowd.accepted.keys()].sort());
  expect(new Set(units).size).toBe(sold);
}
