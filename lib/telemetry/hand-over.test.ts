import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { afterEach, expect, test } from 'vitest';
import { createHandOver, readSamples } from './hand-over.ts';

function aRegistry(): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ function: 'purchase' });
  const registers = [registry];
  const sold = new Counter({
    name: 'seckill_sold_total',
    help: 's',
    labelNames: ['class'],
    registers,
  });
  sold.inc({ class: 'hot' }, 3);
  sold.inc({ class: 'normal' }, 0);
  new Gauge({ name: 'seckill_held', help: 'h', registers }).set(5);
  new Histogram({ name: 'seckill_wait', help: 'w', buckets: [0.5], registers }).observe(2);
  return registry;
}

/** Answers with these statuses in turn, and then with the last of them. */
async function aReceiver(...statuses: [number, ...number[]]) {
  const requests: { authorization: string | undefined; bytes: number }[] = [];
  const server = createServer((request, response) => {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => (bytes += chunk.length));
    request.on('end', () => {
      const status = statuses[Math.min(requests.length, statuses.length - 1)] ?? 500;
      requests.push({ authorization: request.headers.authorization, bytes });
      response.writeHead(status).end('no reason');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  return { requests, at: `127.0.0.1:${port}/api/v1/write` };
}

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

function aLog() {
  const lines: Record<string, unknown>[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
    },
  });
  return { lines, log: pino(stream) };
}

test('counters and histograms are samples with the labels of the scrape; gauges are not', async () => {
  const samples = await readSamples(aRegistry(), 'pod-1', 17);
  const common = { function: 'purchase', job: 'seckill', instance: 'pod-1' };
  const sample = (__name__: string, value: number, labels = {}) => {
    return { labels: { ...common, __name__, ...labels }, value, atMs: 17 };
  };
  expect(samples).toEqual([
    sample('seckill_sold_total', 3, { class: 'hot' }),
    sample('seckill_sold_total', 0, { class: 'normal' }),
    sample('seckill_wait_bucket', 0, { le: '0.5' }),
    sample('seckill_wait_bucket', 1, { le: '+Inf' }),
    sample('seckill_wait_sum', 2),
    sample('seckill_wait_count', 1),
  ]);
});

test('a receiver that is away for a moment gets it all the same, with the password of the URL', async () => {
  const { requests, at } = await aReceiver(503, 204);
  const { lines, log } = aLog();
  const options = { registry: aRegistry(), instance: 'pod-1', log };
  await createHandOver({ ...options, url: `http://ann:p%40ss@${at}` }).left();
  const authorization = `Basic ${Buffer.from('ann:p@ss').toString('base64')}`;
  expect(requests.map((one) => one.authorization)).toEqual([authorization, authorization]);
  expect(requests[0]?.bytes).toBeGreaterThan(100);
  expect(lines).toEqual([]);
});

test('what is refused is not asked again, and what was counted is in the log', async () => {
  const { requests, at } = await aReceiver(400);
  const { lines, log } = aLog();
  const options = { registry: aRegistry(), instance: 'pod-1', log };
  await createHandOver({ ...options, url: `http://${at}` }).left();
  expect(requests).toHaveLength(1);
  expect(lines).toMatchObject([
    {
      msg: 'the last counts could not be handed over',
      counts: { 'seckill_sold_total{class="hot"}': 3 },
      err: { message: 'Prometheus answered 400: no reason' },
    },
  ]);
});

test('the end does not wait long for a receiver that is gone', async () => {
  const { lines, log } = aLog();
  const options = { registry: aRegistry(), instance: 'pod-1', log };
  const sinceMs = performance.now();
  await createHandOver({ ...options, url: 'http://127.0.0.1:9/' }).left();
  expect(performance.now() - sinceMs).toBeLessThan(3_000);
  expect(lines).toHaveLength(1);
});

test('without a receiver nothing is pushed and nothing is said', async () => {
  const { lines, log } = aLog();
  const handOver = createHandOver({
    ...{ registry: aRegistry(), instance: 'pod-1', log },
    url: undefined,
  });
  await handOver.arrived();
  await handOver.leaving();
  await handOver.left();
  expect(lines).toEqual([]);
});
