// How long it takes from the acceptance of an order until its buyer is on the leaderboard that the
// edge shows, at a steady thousand orders a second. The load is open: it does not wait for answers.

import { setTimeout } from 'node:timers/promises';
import { Pool } from 'undici';
import { epochUsOf } from '#lib/order-event.ts';
import { type Measure, warmUpSeconds } from './bench.ts';
import { openSale, tokenOf, verify } from './operate.ts';
import { timesRow } from './row.ts';
import type { System } from './system.ts';

const name = 'board-delay';
const ordersPerSecond = 1_000;
/** Every so many'th buyer looks for themselves. */
const sampleEvery = 20;
const pollMs = 2;
const tickMs = 5;
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
  const orders = seconds * ordersPerSecond;
  const tokens = Array.from({ length: orders }, (_, n) => tokenOf(system, `${product}-${n}`));
  const pool = new Pool(system.edge.url, { connections: 128 });
  const delaysMs: number[] = [];
  const buyAndLook = async (token: string, n: number) => {
    await buy(pool, product, token);
    if (n % sampleEvery === 0) delaysMs.push(await untilVisible(pool, product, token));
  };
  const startedAtMs = performance.now();
  const under: Promise<void>[] = [];
  while (under.length < orders) {
    const dueOrders = ((performance.now() - startedAtMs) / 1_000) * ordersPerSecond;
    for (const token of tokens.slice(under.length, Math.ceil(dueOrders))) {
      under.push(buyAndLook(token, under.length));
    }
    await setTimeout(tickMs);
  }
  const perSecond = orders / ((performance.now() - startedAtMs) / 1_000);
  await Promise.all(under);
  await pool.close();
  return { delaysMs, perSecond };
}

async function buy(pool: Pool, product: string, token: string): Promise<void> {
  const { statusCode, body } = await pool.request({
    method: 'POST',
    path: `/api/products/${product}/purchase`,
    headers: {
      authorization: `Bearer ${token}`,
      'idempotency-key': 'the-only-order',
      'content-type': 'application/json',
    },
    body: '{"quantity":1}',
  });
  const text = await body.text();
  if (statusCode !== 202) throw new Error(`a purchase was answered ${statusCode}: ${text}`);
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
