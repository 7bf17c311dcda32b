// What a function counted is at Prometheus however it ended: no scrape sees any of these instances,
// so all that is there they have handed over themselves.

import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { readEnvironment } from '#lib/environment.ts';
import { type FunctionProcess, startFunction } from '#lib/testing/function-process.ts';
import { until } from '#lib/testing/runtime.ts';
import { uniqueName } from '#lib/testing/unique.ts';
import { type Prometheus, startPrometheus } from './testing/prometheus.ts';

let prometheus: Prometheus;
beforeAll(async () => {
  prometheus = await startPrometheus();
}, 180_000);
afterAll(() => prometheus.stop());

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** A sink under the name of this pod, once it is ready and has said that it counts from zero. */
async function startPod(pod: string): Promise<FunctionProcess> {
  const stores = readEnvironment(['SECKILL_REDIS_URL', 'SECKILL_SIGNING_KEYS']);
  const started = await startFunction('update-rank', {
    SECKILL_REDIS_URL: stores.SECKILL_REDIS_URL.join(','),
    SECKILL_SIGNING_KEYS: stores.SECKILL_SIGNING_KEYS.join(','),
    SECKILL_METRICS_PUSH_URL: prometheus.pushUrl,
    SECKILL_METRICS_INSTANCE: pod,
  });
  stops.push(() => started.stop());
  await until(`${pod} at zero`, 30_000, async () =>
    (await asked(`last_over_time(${refused(pod)}[1h])`)) === 0 ? true : undefined,
  );
  return started;
}

function refused(pod: string): string {
  return `seckill_events_total{job="seckill",instance="${pod}",result="never"}`;
}

async function asked(query: string): Promise<number | undefined> {
  return (await prometheus.query(query))[0]?.value;
}

/** Sends so many events that are counted as refused. */
async function refuse({ url }: FunctionProcess, times: number): Promise<void> {
  for (let sent = 0; sent < times; sent += 1) {
    const headers = { 'content-type': 'text/plain' };
    const { status } = await fetch(url, { method: 'POST', headers, body: 'no event' });
    expect(status).toBe(422);
  }
}

/** A request whose last byte is missing: the instance waits for it. `end` sends that. */
async function aRequestUnderWay({ url, metricsUrl }: FunctionProcess) {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  stops.push(() => Promise.resolve(void socket.destroy()));
  socket.write('POST / HTTP/1.1\r\nhost: pod\r\ncontent-type: text/plain\r\n');
  socket.write('content-length: 8\r\n\r\nno even');
  await until('the request', 10_000, async () =>
    /^seckill_events_in_flight\{.*\} 1$/m.test(await (await fetch(metricsUrl)).text())
      ? true
      : undefined,
  );
  return { end: () => socket.write('t') };
}

async function untilTold(pod: string, count: number): Promise<void> {
  await until(`${count} at Prometheus`, 10_000, async () =>
    (await asked(`max_over_time(${refused(pod)}[1h])`)) === count ? true : undefined,
  );
}

test('an instance that leaves has told all that it counted, also while it left', async () => {
  const pod = uniqueName('pod-');
  const started = await startPod(pod);
  await refuse(started, 3);
  expect(await asked(`max_over_time(${refused(pod)}[1h])`)).toBe(0);
  const last = await aRequestUnderWay(started);
  process.kill(started.pid, 'SIGTERM');
  await untilTold(pod, 3);
  last.end();
  expect(await started.exited).toBe(0);
  expect(await asked(`max_over_time(${refused(pod)}[1h])`)).toBe(4);
});

test('one that is killed while it leaves had told what it knew when it was asked to', async () => {
  const pod = uniqueName('pod-');
  const started = await startPod(pod);
  await refuse(started, 2);
  await aRequestUnderWay(started);
  process.kill(started.pid, 'SIGTERM');
  await untilTold(pod, 2);
  process.kill(started.pid, 'SIGKILL');
  expect(await started.exited).not.toBe(0);
  expect(await asked(`max_over_time(${refused(pod)}[1h])`)).toBe(2);
});

test('a container that is restarted in its pod counts on, and takes nothing back', async () => {
  const pod = uniqueName('pod-');
  const first = await startPod(pod);
  await refuse(first, 5);
  process.kill(first.pid, 'SIGTERM');
  expect(await first.exited).toBe(0);
  const second = await startPod(pod);
  await refuse(second, 2);
  process.kill(second.pid, 'SIGTERM');
  expect(await second.exited).toBe(0);
  expect(await asked(`resets(${refused(pod)}[1h])`)).toBe(1);
  // It extrapolates, and knows of the restart: 7, not 5 or 2.
  expect(await asked(`increase(${refused(pod)}[1h])`)).toBeGreaterThanOrEqual(7);
  expect(await asked(`max_over_time(${refused(pod)}[1h])`)).toBe(5);
});
