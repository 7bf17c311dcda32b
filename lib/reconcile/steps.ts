// Work on all of a sale's orders, in steps between which the process sells.

import { setImmediate } from 'node:timers/promises';
import { type OrderRecord, parseOrderRecord } from '#lib/sale/order-record.ts';

/** No purchase waits longer for a step. */
const stepMs = 5;
/** Between two looks at the clock. */
const itemsPerLook = 64;

/** Does `work` for each item; others get their turn every few milliseconds. */
export async function eachInSteps<Item>(
  items: Iterable<Item>,
  work: (item: Item) => void,
): Promise<void> {
  let sinceMs = performance.now();
  let done = 0;
  for (const item of items) {
    work(item);
    done += 1;
    if (done % itemsPerLook !== 0 || performance.now() - sinceMs < stepMs) continue;
    await setImmediate();
    sinceMs = performance.now();
  }
}

/** Orders of the HASH `…:orders`; undefined where a text is none. */
export type OrderRecords = ReadonlyMap<string, OrderRecord | undefined>;

export async function parseOrders(texts: ReadonlyMap<string, string>): Promise<OrderRecords> {
  const records = new Map<string, OrderRecord | undefined>();
  await eachInSteps(texts, ([orderId, text]) => {
    records.set(orderId, parseOrderRecord(text));
  });
  return records;
}
