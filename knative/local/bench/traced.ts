// What tracing costs: purchases through an edge and a `purchase` that send their spans to a
// collector, with the share that is shipped, against the same without.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Measure } from './bench.ts';
import { buyThrough } from './buy.ts';
import { openSale, verify } from './operate.ts';
import { type Rate, rateRow } from './row.ts';

const name = 'accept-traced';
const untraced = 'accept-untraced';

/** Its reference is `accept`, measured in turn with it. Throws where no span has come. */
export const acceptTraced: Measure = async (bench) => {
  const { system, options, say } = bench;
  for (const product of [name, untraced]) await openSale(system, product);
  const collector = await startCollector();
  const tracing = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
  const purchase = await system.addInstance('purchase', tracing);
  const edge = await system.addInstance('ratelimit-edge', {
    ...{ ...tracing, SECKILL_PURCHASE_URL: purchase.url },
  });
  const reference = async () => (await buyThrough(bench, system.edge, [untraced])).perSecond;
  const rates: Rate[] = [];
  const references = [await reference()];
  for (let round = 0; round < options.rounds; round += 1) {
    rates.push(await buyThrough(bench, edge, [name]));
    references.push(await reference());
  }
  await edge.stop();
  await purchase.stop();
  await system.withSinks(async () => {
    for (const product of [name, untraced]) await verify(system, product);
  });
  const bytes = collector.close();
  say(name, `the collector got ${(bytes / 1_000_000).toFixed(1)} MB`);
  if (bytes === 0) throw new Error('the collector got nothing');
  return rateRow(name, rates, references);
};

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
