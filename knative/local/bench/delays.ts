// How long it takes from the acceptance of an order until others can see it, at a steady thousand
// orders a second: on the leaderboard that the edge shows its buyer, and as a row in MySQL. The
// load is open: it does not wait for answers. When an order was accepted is said by the event.

import { setTimeout } from 'node:timers/promises';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { Pool } from 'undici';
import { epochUsOf } from '#lib/order-event.ts';
import { orderIdOf } from '#lib/order-id.ts';
import type { Bench, Measure } from './bench.ts';
import { openSale, tokenOf, verify } from './operate.ts';
import { type Row, timesRow } from './row.ts';
import { buyOne, steadily } from './steady.ts';
import type { System } from './system.ts';

const ordersPerSecond = 1_000;
/** Every so many'th buyer looks for themselves: more would be a load of their own. */
const sampleEvery = 25;
const pollMs = 3;
const visibleDeadlineMs = 15_000;
/** A board keeps its first 10,000: who comes later is never seen. */
const secondsMax = 9;
/** Steady is what has run for a while: the compilers, Kafka's among them, have done their work. */
const warmUpRounds = 2;
const connections = 256;

interface Buyer {
  readonly product: string;
  readonly userId: string;
  readonly token: string;
}

/** Milliseconds from a buyer's acceptance until it is seen; asked when the purchase is sent. */
type Watch = (buyer: Buyer, bought: Promise<void>) => Promise<number>;

/** Until the board by speed shows the buyer to themselves, through the edge. */
export const boardDelay: Measure = async (bench) => {
  const pool = new Pool(bench.system.edge.url, { connections });
  const row = await measureDelays(bench, 'board-delay', async (buyer, bought) => {
    await bought;
    return untilOnBoard(pool, buyer);
  });
  await pool.close();
  return row;
};

/** Until another connection to MySQL reads the row. */
export const rowDelay: Measure = async (bench) => {
  const reader = await createReader(bench.system);
  const row = await measureDelays(bench, 'row-delay', ({ product, userId }) =>
    reader.untilThere(orderIdOf(product, userId, 'the-only-order')),
  );
  await reader.close();
  return row;
};

async function measureDelays({ system, options }: Bench, name: string, watch: Watch): Promise<Row> {
  const seconds = Math.min(options.seconds, secondsMax);
  return system.withSinks(async () => {
    for (let round = 1; round <= warmUpRounds; round += 1) {
      const product = `${name}-warm-up-${round}`;
      await openSale(system, product);
      await buySteadily(system, product, secondsMax, watch);
    }
    const delaysMs: number[] = [];
    let perSecond = Number.POSITIVE_INFINITY;
    for (let round = 1; round <= options.rounds; round += 1) {
      const product = `${name}-${round}`;
      await openSale(system, product);
      const measured = await buySteadily(system, product, seconds, watch);
      delaysMs.push(...measured.delaysMs);
      perSecond = Math.min(perSecond, measured.perSecond);
      await verify(system, product);
    }
    return timesRow(name, delaysMs, { perSecond });
  });
}

async function buySteadily(system: System, product: string, seconds: number, watch: Watch) {
  const count = seconds * ordersPerSecond;
  const buyers = Array.from({ length: count }, (_, n): Buyer => {
    const userId = `${product}-${n}`;
    return { product, userId, token: tokenOf(system, userId) };
  });
  const pool = new Pool(system.edge.url, { connections });
  const delaysMs: number[] = [];
  const perSecond = await steadily({ perSecond: ordersPerSecond, count }, async (n) => {
    const buyer = buyers[n];
    if (buyer === undefined) return;
    const bought = buyOne(pool, product, buyer.token);
    if (n % sampleEvery === 0) delaysMs.push(await watch(buyer, bought));
    await bought;
  });
  await pool.close();
  return { delaysMs, perSecond };
}

async function untilOnBoard(pool: Pool, { product, token }: Buyer): Promise<number> {
  const deadline = performance.now() + visibleDeadlineMs;
  while (performance.now() < deadline) {
    const { body } = await pool.request({
      method: 'GET',
      path: `/api/products/${product}/leaderboard?by=speed&limit=1`,
      headers: { authorization: `Bearer ${token}` },
    });
    const { me } = (await body.json()) as { me?: { firstAt: string } };
    if (me !== undefined) return sinceMs(epochUsOf(me.firstAt));
    await setTimeout(pollMs);
  }
  throw new Error(`a buyer was not on the board within ${visibleDeadlineMs} ms`);
}

/** Looks for rows with one statement at a time, for all who wait. */
async function createReader(system: System) {
  const mysql = await createConnection({
    uri: String(system.env.SECKILL_MYSQL_URL),
    dateStrings: true,
    timezone: 'Z',
  });
  const waiting = new Map<string, (delayMs: number) => void>();
  let isOpen = true;

  const look = async () => {
    while (isOpen) {
      if (waiting.size > 0) {
        const [rows] = await mysql.query<RowDataPacket[]>(
          'select order_id, accepted_at from orders where order_id in (?)',
          [[...waiting.keys()]],
        );
        for (const { order_id: orderId, accepted_at: acceptedAt } of rows) {
          const delayMs = sinceMs(epochUsOf(`${String(acceptedAt).replace(' ', 'T')}Z`));
          waiting.get(String(orderId))?.(delayMs);
          waiting.delete(String(orderId));
        }
      }
      await setTimeout(pollMs);
    }
  };
  const looking = look();
  return {
    untilThere: (orderId: string) =>
      Promise.race([
        new Promise<number>((resolve) => waiting.set(orderId, resolve)),
        looking.then(() => Promise.reject(new Error('nobody looks for rows any more'))),
        setTimeout(visibleDeadlineMs, undefined, { ref: false }).then(() =>
          Promise.reject(new Error(`no row within ${visibleDeadlineMs} ms`)),
        ),
      ]),
    async close() {
      isOpen = false;
      await looking;
      await mysql.end();
    },
  };
}

/** All clocks are this machine's. */
function sinceMs(epochUs: number): number {
  return performance.timeOrigin + performance.now() - epochUs / 1_000;
}
