import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { mysql } from '#knative/local/stores/mysql.ts';
import { readEnvironment } from '#lib/environment.ts';
import { delivery } from '#lib/http/delivery.ts';
import { startFunction } from '#lib/testing/function-process.ts';
import { anEventOf, requestOf } from '#lib/testing/order-events.ts';
import { startOwnStore } from '#lib/testing/own-store.ts';
import { migrate } from './migrate.ts';
import { startSink } from './persist-fixture.ts';

const env = readEnvironment(['SECKILL_REDIS_URL', 'SECKILL_SIGNING_KEYS']);
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(mysqlUrl: string) {
  const started = await startFunction('persist-order', {
    SECKILL_MYSQL_URL: mysqlUrl,
    SECKILL_REDIS_URL: env.SECKILL_REDIS_URL.join(','),
    SECKILL_SIGNING_KEYS: env.SECKILL_SIGNING_KEYS.join(','),
  });
  closers.push(() => started.stop());
  return started;
}

async function withoutTheLastMigration(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'seckill-migrations-'));
  closers.push(() => rm(folder, { recursive: true }));
  await cp(join(import.meta.dirname, 'migrations'), folder, { recursive: true });
  const journalFile = join(folder, 'meta/_journal.json');
  const journal = JSON.parse(await readFile(journalFile, 'utf8')) as { entries: object[] };
  const entries = journal.entries.slice(0, -1);
  await writeFile(journalFile, JSON.stringify({ ...journal, entries }));
  return folder;
}

test('it is ready once its migration has ended, stays ready without MySQL, and drains', async () => {
  const store = await startOwnStore(mysql);
  closers.push(() => store.remove());
  const sink = startSink({ ...env, SECKILL_MYSQL_URL: store.address });
  closers.push(() => sink.stop());

  const started = await start(store.address);
  await expect.poll(() => started.status('/livez'), { timeout: 20_000 }).toBe(200);
  // MySQL answers, but has no tables yet.
  expect(await started.status('/readyz')).toBe(503);
  // Nor are the tables of the release before this one enough.
  await migrate({ url: store.address }, await withoutTheLastMigration());
  const beside = await start(store.address);
  await expect.poll(() => beside.log(), { timeout: 20_000 }).toContain('migration has not ended');
  expect(await started.status('/readyz')).toBe(503);
  await migrate({ url: store.address });
  await expect.poll(() => started.status('/readyz'), { timeout: 20_000 }).toBe(200);
  await expect.poll(() => beside.status('/readyz'), { timeout: 20_000 }).toBe(200);

  await sink.putOnSale('p', 10);
  const event = anEventOf(2, 'p');
  const deliver = async () => (await fetch(started.url, requestOf(event, sink.keys))).status;
  expect(await deliver()).toBe(delivery.done);
  const metrics = await (await fetch(started.metricsUrl)).text();
  expect(metrics).toMatch(/^seckill_events_total\{result="done",function="persist-order"\} 1$/m);
  expect(metrics).toMatch(/^seckill_persisted_orders_total\{result="confirmed",.*\} 2$/m);
  expect(await started.status('/metrics')).toBe(404);

  await store.stop();
  expect(await deliver()).toBe(delivery.retry);
  expect(await started.status('/readyz')).toBe(200);

  process.kill(started.pid, 'SIGTERM');
  expect(await started.exited).toBe(0);
  // Nothing of the orders' content is in the log, though writing them failed.
  for (const { userId, orderId } of event.orders) {
    expect(started.log()).not.toContain(userId);
    expect(started.log()).not.toContain(orderId);
  }
});

test('without its environment it says what to set, and does not start', async () => {
  const started = await startFunction('persist-order', { SECKILL_SIGNING_KEYS: 'short' });
  closers.push(() => started.stop());
  expect(await started.exited).toBe(1);
  expect(started.log()).toContain('SECKILL_MYSQL_URL is not set');
  expect(started.log()).toContain('SECKILL_SIGNING_KEYS: at least 32 characters');
  expect(started.log()).not.toContain('short\n');
});
