import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { choosePort } from '../ports.ts';
import { identityOf } from '../process-identity.ts';
import { allStores, createStores, type Stores, type StoresOptions } from './stores.ts';

// The stores of the test run are the given ones here; only Redis is started, being the quickest.
const othersGiven = { ...process.env, SECKILL_REDIS_URL: undefined };

let folder: string;
let said: string[];
const started: Stores[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'seckill-stores-'));
  said = [];
});
afterEach(async () => {
  for (const stores of started.splice(0)) await stores.stop();
  rmSync(folder, { recursive: true, force: true });
});

function create(options: Partial<StoresOptions> = {}): Stores {
  const stores = createStores({
    folder,
    password: 'p',
    given: process.env,
    say: (part, text) => said.push(`${part}: ${text}`),
    ...options,
  });
  started.push(stores);
  return stores;
}

async function reasonOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'it resolved',
    (error: unknown) => (error as Error).message,
  );
}

test('stores that the environment names are used, and none is started', async () => {
  const { env, processes } = await create().start();
  expect(env).toEqual(
    Object.fromEntries(allStores.map(({ variable }) => [variable, process.env[variable]])),
  );
  expect(processes.size).toBe(0);
  expect(existsSync(join(folder, 'redis'))).toBe(false);
  expect(said).toContain('redis: answers where SECKILL_REDIS_URL says');
});

test('a store that the environment does not name is started, and ends with stop', async () => {
  const stores = create({ given: othersGiven });
  const { env, processes, ports } = await stores.start();
  expect(env.SECKILL_REDIS_URL).toBe(`redis://127.0.0.1:${String(ports.redis)}`);
  expect([...processes.keys()]).toEqual(['redis']);
  const pid = Number(processes.get('redis')?.pid);
  const redis = new Redis(env.SECKILL_REDIS_URL);
  expect(await redis.info('server')).toContain(`process_id:${pid}\r\n`);
  await redis.quit();
  await stores.stop();
  expect(identityOf(pid)).toBeUndefined();
});

test('a store keeps its port and its data from start to start', async () => {
  const port = await choosePort();
  const options = { given: othersGiven, ports: { redis: port } };
  const first = create(options);
  const { env } = await first.start();
  const before = new Redis(env.SECKILL_REDIS_URL);
  await before.set('kept', 'yes');
  await before.quit();
  await first.stop();
  expect((await create(options).start()).ports).toEqual({ redis: port });
  const after = new Redis(env.SECKILL_REDIS_URL);
  expect(await after.get('kept')).toBe('yes');
  await after.quit();
});

test('a store that was killed can be started again where it was', async () => {
  const stores = create({ given: othersGiven });
  const { env, processes } = await stores.start();
  const killed = processes.get('redis');
  process.kill(Number(killed?.pid), 'SIGKILL');
  await killed?.exited;
  const again = await stores.startAgain('redis');
  const redis = new Redis(env.SECKILL_REDIS_URL);
  expect(await redis.info('server')).toContain(`process_id:${again.pid}\r\n`);
  await redis.quit();
});

test('what a killed run left running is ended before its data is touched', async () => {
  const { processes } = await create({ given: othersGiven }).start();
  const left = Number(processes.get('redis')?.pid);
  // A second run in the same folder, as after a kill -9 of the first and of its guards.
  await create({ given: othersGiven, leftoverWaitMs: 0 }).start();
  expect(identityOf(left)).toBeUndefined();
});

test('a failure says which store, why in its own words, and what to do', async () => {
  mkdirSync(join(folder, 'redis/data'), { recursive: true });
  writeFileSync(join(folder, 'redis/data/appendonlydir'), 'not a folder');
  const reason = await reasonOf(create({ given: othersGiven }).start());
  expect(reason).toMatch(/^redis did not start: it ended with status 1 after \d+\.\d s\n/);
  expect(reason).toMatch(/ {2}\| .*appendonlydir/);
  expect(reason).toContain(`remove ${join(folder, 'redis')} and start again`);
});

test('a named store that is away is told by the name of its variable', async () => {
  const port = await choosePort();
  const given = { ...process.env, SECKILL_ETCD_ENDPOINTS: `http://127.0.0.1:${port}` };
  const reason = await reasonOf(create({ given, givenDeadlineMs: 300 }).start());
  expect(reason).toMatch(/^etcd, named by SECKILL_ETCD_ENDPOINTS, does not answer: .*ECONNREFUSED/);
  expect(reason).toContain('unset SECKILL_ETCD_ENDPOINTS');
});
