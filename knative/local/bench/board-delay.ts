// How long it takes from the acceptance of an order until its buyer is on the leaderboard that the
// edge shows, at a steady thousand orders a second. The load is open: it does not wait for answers.

import { setTimeout } from 'node:timers/promises';
import { Pool } from 'undici';
import { epochUsOf } from '#lib/order-event.ts';
import { type Measure, warmUpSeconds } from './bench.ts';
import { openSale, tokenOf, verify } from './operate.ts';
import { timesRow } from './row.ts';
import { buyOne, steadily } from './steady.ts';
import type { System } from './system.ts';

const name = 'board-delay';
const ordersPerSecond = 1_000;
/** Every so many'th buyer looks for themselves. */
const sampleEvery = 20;
const pollMs = 2;
const visibleDeadlineMs = 15_000;
/** A board keeps its first 10,000: who comes later is never seen. */
const secondsMax = 9;

export const boardDelay: Measure = async ({ system, options }) => {
  const warmUp = `${name}-warm-up`;
  await openSale(system, warmUp);
  await openSale(system, name);
  return system.withSinks(async () => {
    await buySteadily(system, warmUp, warmUpSeconds);
    const seconds = Math.min(options.seconds, secondsMax);
    const { delaysMs, perSecond } = await buySteadily(system, name, seconds);
    await verify(system, name);
    return timesRow(name, delaysMs, { perSecond });
  });
};

async function buySteadily(system: System, product: string, seconds: number) {
  const count = seconds * ordersPerSecond;
  const tokens = Array.from({ length: count }, (_, n) => tokenOf(system, `${product}-${n}`));
  const pool = new Pool(system.edge.url, { connections: 128 });
  const delaysMs: number[] = [];
  const perSecond = await steadily({ perSecond: ordersPerSecond, count }, async (n) => {
    const token = tokens[n] ?? '';
    await buyOne(pool, product, token);
    if (n % sampleEvery === 0) delaysMs.push(await untilVisible(pool, product, token));
  });
  await pool.close();
  return { delaysMs, perSecond };
}

/** Milliseconds between the acceptance, by the event's time, and the board that shows the buyer. */
async function untilVisible(pool: Pool, product: string, token: string): Promise<number> {
  const deadline = performance.now() + visibleDeadlineMs;
  while (performance.now() < deadline) {
    const { body } = await pool.request({
      method: 'GET',
      path: `/api/products/${product}/leaderboard?by=speed&limit=1`,
      headers: { authorization: `Bearer ${token}` },
    });
    const { me } = (await body.json()) as { me?: { firstAt: string } };
    const nowMs = performance.timeOrigin + performance.now();
    if (me !== undefined) return nowMs - epochUsOf(me.firstAt) / 1_000;
    await setTimeout(pollMs);
  }
  throw new Error(`a buyer was not on the board within ${visibleDeadlineMs} ms`);
}
