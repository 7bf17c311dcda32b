// Redis by TLS: who is believed, what is said when somebody is not, and certificates that change
// under a running client.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { readEnvironment, redisNames } from '#lib/environment.ts';
import { createAuthority } from '#lib/testing/certificates.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { redisWithTls } from '#lib/testing/tls-stores.ts';
import { redisAccessOf } from './access.ts';
import { connectRedis, type RedisClient } from './connect.ts';

const folder = mkdtempSync(join(tmpdir(), 'seckill-redis-tls-'));
const authority = createAuthority(folder);
const server = authority.issue('server');
const ours = authority.issue('ours');
const closers: (() => void)[] = [];
let store: OwnStore;

beforeAll(async () => {
  store = await startOwnStore(redisWithTls(authority, server));
});

afterEach(() => {
  for (const close of closers.splice(0)) close();
});

afterAll(async () => {
  await store.remove();
  rmSync(folder, { recursive: true });
});

const trusted = {
  SECKILL_REDIS_CA_FILE: authority.caFile,
  SECKILL_REDIS_CERT_FILE: ours.certFile,
  SECKILL_REDIS_KEY_FILE: ours.keyFile,
};

function connect(more: Readonly<Record<string, string>> = {}) {
  const given = { SECKILL_REDIS_URL: store.address, ...trusted, ...more };
  const lines: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => lines.push(line) });
  const redis = connectRedis(redisAccessOf(readEnvironment(redisNames, given)), log);
  closers.push(() => {
    redis.disconnect();
  });
  return { redis, said: () => lines.join('') };
}

const answers = (redis: RedisClient) =>
  vi.waitFor(async () => {
    expect(await redis.ping()).toBe('PONG');
  }, 10_000);

test('with the authority and a certificate of ours it works', async () => {
  const { redis, said } = connect();
  await answers(redis);
  expect(said()).toBe('');
});

test('a server that nobody we know has signed is refused, and it is said what to do', async () => {
  const stranger = createAuthority(join(folder, 'stranger'));
  const { redis, said } = connect({ SECKILL_REDIS_CA_FILE: stranger.caFile });
  await expect.poll(said, { timeout: 10_000 }).toMatch(/signed by nobody in …_CA_FILE/);
  await expect(redis.ping()).rejects.toThrow();
});

test('a server of another name is refused', async () => {
  const { said } = connect({ SECKILL_REDIS_TLS_SERVER_NAME: 'redis.example' });
  await expect.poll(said, { timeout: 10_000 }).toMatch(/for another name/);
  const { redis } = connect({ SECKILL_REDIS_TLS_SERVER_NAME: 'localhost' });
  await answers(redis);
});

test('without a certificate of ours, with a wrong password, without TLS: each is told', async () => {
  const without = { SECKILL_REDIS_CERT_FILE: '', SECKILL_REDIS_KEY_FILE: '' };
  await expect.poll(connect(without).said, { timeout: 10_000 }).toMatch(/wants a certificate/);
  const wrong = store.address.replace('://', '://nobody:wrong@');
  await expect
    .poll(connect({ SECKILL_REDIS_URL: wrong }).said, { timeout: 10_000 })
    .toMatch(/user or password is wrong/);
});

test('everybody’s certificates change under a running client', async () => {
  const { redis, said } = connect();
  await answers(redis);
  const renew = async (options?: { readonly expired: boolean }) => {
    authority.issue('server', options);
    await redis.call('CONFIG', 'SET', 'tls-cert-file', server.certFile);
  };
  const end = () => redis.call('CLIENT', 'KILL', 'SKIPME', 'no').catch(() => undefined);

  await renew({ expired: true });
  // Who is connected stays so.
  await answers(redis);
  await end();
  await expect.poll(said, { timeout: 10_000 }).toMatch(/has expired: renew it on the server/);

  // A new authority, mounted where the old one was; the server starts with a certificate of it.
  await store.stop();
  createAuthority(folder);
  authority.issue('server');
  authority.issue('ours');
  await store.start();
  await answers(redis);
});
