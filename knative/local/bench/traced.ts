// What it costs to be seen: purchases through an edge and a `purchase` whose metrics are scraped and
// which send their spans to a collector, as often and with the share that is shipped, against the
// same functions with nothing that counts in their bundles, no scrape and no tracing.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buildFunction } from '../build.ts';
import { assertAnswered, type Bench, type Measure, rateOf, warmUpSeconds } from './bench.ts';
import { buyThrough } from './buy.ts';
import { openSale, verify } from './operate.ts';
import { type Rate, rateRow } from './row.ts';
import type { Running, System } from './system.ts';

const traced = 'accept-traced';
const unseen = 'accept-unseen';

/** As in grafana/prometheus. */
const scrapeEveryMs = 5_000;

/** Its reference is the same unseen, in turn with it. Throws where no span or no scrape has come. */
export const acceptTraced: Measure = async (bench) => {
  const { system, options, say } = bench;
  for (const product of [traced, unseen]) await openSale(system, product);
  const collector = await startCollector();
  const seen = await startPair(system, { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
  const plain = await startPair(system, {}, await buildUnseen(system));
  await assertUnseen(plain);
  const reference = async () => (await buyUnseen(bench, plain.edge)).perSecond;
  const rates: Rate[] = [];
  const references = [await reference()];
  let scrapes = 0;
  for (let round = 0; round < options.rounds; round += 1) {
    const scraper = startScraper([seen.edge, seen.purchase]);
    rates.push(await buyThrough(bench, seen.edge, [traced]));
    scrapes += scraper.stop();
    references.push(await reference());
  }
  for (const one of [seen.edge, plain.edge, seen.purchase, plain.purchase]) await one.stop();
  await system.withSinks(async () => {
    for (const product of [traced, unseen]) await verify(system, product);
  });
  const bytes = collector.close();
  say(traced, `the collector got ${(bytes / 1_000_000).toFixed(1)} MB; scraped ${scrapes} times`);
  if (bytes === 0) throw new Error('the collector got nothing');
  if (scrapes === 0) throw new Error('nothing was scraped');
  return rateRow(traced, rates, references);
};

interface Pair {
  readonly edge: Running;
  readonly purchase: Running;
}

async function startPair(
  system: System,
  env: Readonly<Record<string, string>>,
  dist?: string,
): Promise<Pair> {
  const purchase = await system.addInstance('purchase', env, dist);
  const around = { ...env, SECKILL_PURCHASE_URL: purchase.url };
  return { purchase, edge: await system.addInstance('ratelimit-edge', around, dist) };
}

/** Resolves with the folder of their bundles. */
async function buildUnseen({ folder }: System): Promise<string> {
  const dist = join(folder, 'dist-unseen');
  const alias = { 'prom-client': join(import.meta.dirname, 'reference/uncounted.ts') };
  for (const name of ['purchase', 'ratelimit-edge'] as const) {
    await buildFunction(name, join(dist, name), undefined, { alias });
  }
  return dist;
}

async function assertUnseen({ edge, purchase }: Pair): Promise<void> {
  for (const { metricsUrl } of [edge, purchase]) {
    const text = await (await fetch(metricsUrl)).text();
    if (text !== '') throw new Error('what should count nothing has metrics');
  }
}

/** What was not accepted is known by its status alone: there are no metrics to ask. */
async function buyUnseen({ buyers, options }: Bench, { url }: Running): Promise<Rate> {
  const { connections, seconds } = options;
  await buyers.buy(url, [unseen], { connections, seconds: warmUpSeconds });
  const result = await buyers.buy(url, [unseen], { connections, seconds });
  assertAnswered(result);
  if (result.refused > 0) throw new Error(`${result.refused} purchases were not accepted`);
  return rateOf(result, result.requests);
}

/** Asks for the metrics as Prometheus does; `stop` tells how often they came. */
function startScraper(instances: readonly Running[]) {
  let scrapes = 0;
  const scrape = async (url: string) => {
    await (await fetch(url)).text();
    scrapes += 1;
  };
  const scrapeAll = () => {
    // One that does not come is not counted, and that is all.
    for (const { metricsUrl } of instances) scrape(metricsUrl).catch(() => undefined);
  };
  scrapeAll();
  const timer = setInterval(scrapeAll, scrapeEveryMs);
  return {
    stop() {
      clearInterval(timer);
      return scrapes;
    },
  };
}

/** Takes whatever it is sent; `close` tells how many bytes that were. */
async function startCollector() {
  let bytes = 0;
  const server = createServer((request, response) => {
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.on('end', () => response.end('{}'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close() {
      server.close();
      server.closeAllConnections();
      return bytes;
    },
  };
}
