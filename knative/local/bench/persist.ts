// How fast a backlog becomes rows: events as full as they get wait in Kafka, then the source
// runner delivers them. Compared with mysql2 inserting the same rows and doing nothing else.

import { setTimeout } from 'node:timers/promises';
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import { createPurchaseClient } from '#functions/ratelimit-edge/purchase-client.ts';
import { edgeBatchesInFlightPerProduct, eventOrdersMax } from '#lib/constants.ts';
import { orderIdOf } from '#lib/order-id.ts';
import type { Measure } from './bench.ts';
import { openSale, stockOfSales, verify } from './operate.ts';
import { type Rate, rateRow } from './row.ts';
import type { System } from './system.ts';

const name = 'persist';
/** About what can be drained in the time that a measurement takes. */
const rowsPerSecond = 16_000;
const warmUpRows = 10_000;
const pollMs = 20;
const drainDeadlineMs = 300_000;
const rowsPerStatement = 1_000;

export const persist: Measure = async ({ system, options }) => {
  const mysql = await createConnection({
    uri: String(system.env.SECKILL_MYSQL_URL),
    dateStrings: true,
    timezone: 'Z',
  });
  try {
    const warmUp = `${name}-warm-up`;
    await fill(system, warmUp, warmUpRows);
    await drain(system, mysql, warmUp, warmUpRows);
    const rates: Rate[] = [];
    const references: number[] = [];
    const rows = options.seconds * rowsPerSecond;
    for (let round = 1; round <= options.rounds; round += 1) {
      const product = `${name}-${round}`;
      await fill(system, product, rows);
      references.push(await insertBare(mysql, warmUp));
      rates.push(await drain(system, mysql, product, rows));
      references.push(await insertBare(mysql, product));
      await system.withSinks(() => verify(system, product));
    }
    return rateRow(name, rates, references);
  } finally {
    await mysql.end();
  }
};

/** Sells so many orders, in batches as large as events may be. */
async function fill(system: System, product: string, rows: number): Promise<void> {
  await openSale(system, product);
  const purchase = createPurchaseClient(system.purchase.url, [system.secrets.signingKey]);
  let sent = 0;
  const sendAll = async () => {
    while (sent < rows) {
      const purchases = Array.from({ length: Math.min(eventOrdersMax, rows - sent) }, () => {
        const userId = `${product}-${sent++}`;
        return { orderId: orderIdOf(product, userId, 'the-only-order'), userId, quantity: 1 };
      });
      const body = JSON.stringify({ purchases });
      const path = `/products/${product}/purchases`;
      const answer = await purchase.request({ method: 'POST', path, body });
      const accepted = answer.body.split('"accepted"').length - 1;
      if (accepted !== purchases.length) throw new Error(`not all accepted: ${answer.body}`);
    }
  };
  await Promise.all(Array.from({ length: edgeBatchesInFlightPerProduct }, sendAll));
  purchase.close();
}

/** Lets the source runner deliver, and resolves with how fast the rows came. */
async function drain(
  system: System,
  mysql: Connection,
  product: string,
  rows: number,
): Promise<Rate> {
  const written = async () => {
    const [found] = await mysql.query<RowDataPacket[]>(
      'select unsold from products where product_id = ?',
      [product],
    );
    return stockOfSales - Number(found[0]?.unsold);
  };
  return system.withPersistOrder(async () => {
    const first = await written();
    const startedAtMs = performance.now();
    let now = first;
    while (now < rows) {
      if (performance.now() - startedAtMs > drainDeadlineMs) throw new Error('it never ends');
      await setTimeout(pollMs);
      now = await written();
    }
    const seconds = (performance.now() - startedAtMs) / 1_000;
    return { perSecond: (now - first) / seconds, p50Ms: null, p99Ms: null };
  });
}

/** Rows a second of plain inserts into an empty table with the same columns and indexes. */
async function insertBare(mysql: Connection, product: string): Promise<number> {
  const [rows] = await mysql.query<RowDataPacket[][]>({
    sql: 'select * from orders where product_id = ?',
    values: [product],
    rowsAsArray: true,
  });
  await mysql.query('drop table if exists bench_orders');
  await mysql.query('create table bench_orders like orders');
  const startedAtMs = performance.now();
  for (let at = 0; at < rows.length; at += rowsPerStatement) {
    await mysql.query('insert into bench_orders values ?', [rows.slice(at, at + rowsPerStatement)]);
  }
  const seconds = (performance.now() - startedAtMs) / 1_000;
  await mysql.query('drop table bench_orders');
  return rows.length / seconds;
}
