// What a purchase costs where few units are on sale and where very many are: the same orders, sent
// to `purchase` in batches as the edge sends them.

import { Pool } from 'undici';
import { batchOrdersMax, edgeBatchesInFlightPerProduct } from '#lib/constants.ts';
import { sign, signatureHeader } from '#lib/http/signature.ts';
import { orderIdOf } from '#lib/order-id.ts';
import type { Bench, Measure } from './bench.ts';
import { openSale, verify } from './operate.ts';
import { type Rate, type Row, rateRow } from './row.ts';
import type { System } from './system.ts';

/** All but a few units of the small sale. */
const orders = 39 * batchOrdersMax;
const units = { small: 10_000, large: 1_000_000 };
/** The first only warms up. */
const roundsOf = (rounds: number) => 2 + 2 * rounds;

/** The rate for a million units; its reference is the rate for ten thousand. */
export const millionUnits: Measure = async ({ system, options }: Bench) => {
  const name = 'accept-1m-units';
  const pool = new Pool(system.purchase.url, { connections: edgeBatchesInFlightPerProduct });
  const large: Rate[] = [];
  const small: number[] = [];
  await openSale(system, name, units.large);
  for (let round = 0; round < roundsOf(options.rounds); round += 1) {
    const product = `accept-10k-units-${round}`;
    await openSale(system, product, units.small);
    const ofSmall = await sellAll(system, pool, product, round);
    const ofLarge = await sellAll(system, pool, name, round);
    if (round === 0) continue;
    small.push(ofSmall);
    large.push({ perSecond: ofLarge, p50Ms: null, p99Ms: null });
  }
  await pool.close();
  await system.withSinks(() => verify(system, name));
  return rateRow(name, large, small);
};

/** One sale of a small stock sells so many batches. */
const batchesOf = (stock: number) => Math.floor(Math.min(orders, stock) / batchOrdersMax);

/** The rate for a sale of so many units, or for as many of them as that takes. */
export async function unitsOf(
  { system, options }: Bench,
  name: string,
  stock: number,
): Promise<Row> {
  const pool = new Pool(system.purchase.url, { connections: edgeBatchesInFlightPerProduct });
  const batches = batchesOf(stock);
  const rates: Rate[] = [];
  for (let round = 0; round < roundsOf(options.rounds); round += 1) {
    const products = Array.from(
      { length: Math.ceil(orders / (batches * batchOrdersMax)) },
      (_, at) => `${name}-${round}-${at}`,
    );
    for (const product of products) await openSale(system, product, stock);
    let seconds = 0;
    for (const product of products) {
      seconds +=
        (batches * batchOrdersMax) / (await sellAll(system, pool, product, round, batches));
    }
    if (round > 0) {
      const sold = products.length * batches * batchOrdersMax;
      rates.push({ perSecond: sold / seconds, p50Ms: null, p99Ms: null });
    }
    if (round === 1) await system.withSinks(() => verify(system, products[0] ?? ''));
  }
  await pool.close();
  return { ...rateRow(name, rates, []), reference: null, ratio: null };
}

/** Orders a second; rejects where one was not accepted. */
async function sellAll(
  system: System,
  pool: Pool,
  product: string,
  round: number,
  batches = orders / batchOrdersMax,
): Promise<number> {
  const path = `/products/${product}/purchases`;
  const bodies = Array.from({ length: batches }, (_, batch) => {
    const purchases = Array.from({ length: batchOrdersMax }, (_, place) => {
      const userId = `buyer-${round}-${batch}-${place}`;
      return { orderId: orderIdOf(product, userId, 'the-only-order'), userId, quantity: 1 };
    });
    const body = JSON.stringify({ purchases });
    const signature = sign([system.secrets.signingKey], `POST ${path}`, body);
    return { body, signature };
  });
  const startedAtMs = performance.now();
  await Promise.all(
    bodies.map(async ({ body, signature }) => {
      const headers = { 'content-type': 'application/json', [signatureHeader]: signature };
      const answer = await pool.request({ method: 'POST', path, headers, body });
      const { answers } = (await answer.body.json()) as { answers: { outcome: string }[] };
      if (answers.some(({ outcome }) => outcome !== 'accepted')) {
        throw new Error(`not all purchases of ${product} were accepted`);
      }
    }),
  );
  return (batches * batchOrdersMax) / ((performance.now() - startedAtMs) / 1_000);
}
