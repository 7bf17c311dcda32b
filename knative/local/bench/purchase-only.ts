// `purchase` without the front door: batches as the edge signs and sends them, as many purchases
// under way as there are connections elsewhere.

import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { batchOrdersMax, edgeBatchesInFlightPerProduct } from '#lib/constants.ts';
import { sign } from '#lib/http/signature.ts';
import { orderIdOf } from '#lib/order-id.ts';
import {
  assertAnswered,
  type Bench,
  compare,
  type Measure,
  rateOf,
  warmUpSeconds,
} from './bench.ts';
import { openSale, verify } from './operate.ts';
import { assertOnly, readOutcomes } from './outcomes.ts';
import { type Rate, rateRow } from './row.ts';
import { runWrk } from './wrk.ts';

const name = 'accept-purchase-only';
const path = `/products/${name}/purchases`;
const counter = 'seckill_purchases_total';
/** More than it can sell; were the file read twice, there would be replays, and no figures. */
const ordersPerSecondMax = 40_000;

export const acceptPurchaseOnly: Measure = async (bench) => {
  const { system } = bench;
  await openSale(system, name);
  let round = 0;
  const { rates, references } = await compare(bench, () => {
    round += 1;
    return sell(bench, round);
  });
  await system.withSinks(() => verify(system, name));
  return rateRow(name, rates, references);
};

async function sell(bench: Bench, round: number): Promise<Rate> {
  const { system, options } = bench;
  const inFlight = edgeBatchesInFlightPerProduct;
  const orders = Math.min(batchOrdersMax, Math.ceil(options.connections / inFlight));
  const load = async (part: string, seconds: number) => {
    const file = join(system.folder, `batches-${round}-${part}`);
    const count = Math.ceil(((seconds + 1) * ordersPerSecondMax) / orders);
    await writeBatches(bench, file, `${round}-${part}`, { count, orders });
    return () =>
      runWrk(system.folder, {
        url: system.purchase.url,
        script: 'batches.lua',
        args: [path, file],
        connections: inFlight,
        seconds,
      });
  };
  const warmUp = await load('warm-up', warmUpSeconds);
  const measured = await load('measured', options.seconds);
  await warmUp();
  const before = await readOutcomes(system.purchase.metricsUrl, counter);
  const result = await measured();
  assertOnly(['accepted'], before, await readOutcomes(system.purchase.metricsUrl, counter));
  assertAnswered(result);
  if (result.refused > 0) throw new Error(`${result.refused} batches were refused`);
  return rateOf(result, result.requests * orders);
}

async function writeBatches(
  { system }: Bench,
  file: string,
  prefix: string,
  { count, orders }: { count: number; orders: number },
): Promise<void> {
  const stream = createWriteStream(file);
  for (let batch = 0; batch < count; batch += 1) {
    const purchases = Array.from({ length: orders }, (_, place) => {
      const userId = `${prefix}-${batch}-${place}`;
      return { orderId: orderIdOf(name, userId, 'the-only-order'), userId, quantity: 1 };
    });
    const body = JSON.stringify({ purchases });
    stream.write(`${sign([system.secrets.signingKey], `POST ${path}`, body)}\n${body}\n`);
  }
  stream.end();
  await finished(stream);
}
