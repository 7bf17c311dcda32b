// A node of Redis that is silent, as when its machine has lost its power: nobody closes the
// connection to it.

import { pino } from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import { startOwnCluster } from '#lib/testing/own-cluster.ts';
import { startOwnStore } from '#lib/testing/own-store.ts';
import { connectRedis, type RedisClient } from './connect.ts';

const log = pino({ enabled: false });
const soon = { timeout: 20_000, interval: 50 };

function connect(urls: readonly string[]): RedisClient {
  const client = connectRedis({ urls }, log);
  onTestFinished(() => {
    client.disconnect();
  });
  return client;
}

test('a silent node of a Redis Cluster is left for the one that takes over', async () => {
  const cluster = await startOwnCluster();
  onTestFinished(() => cluster.remove());
  await cluster.addReplica();
  const client = connect(cluster.urls);
  const key = '06S'; // Slot 0, which the first node begins with.
  await vi.waitFor(() => client.set(key, 'before'), soon);
  process.kill(cluster.nodes[0]?.running.pid ?? 0, 'SIGSTOP');
  await vi.waitFor(async () => {
    expect(await client.set(key, 'after')).toBe('OK');
  }, soon);
});

test('the connection to a silent Redis is given up, and it is asked anew when it is back', async () => {
  const store = await startOwnStore(redisStore);
  onTestFinished(() => store.remove());
  const client = connect([store.address]);
  await vi.waitFor(() => client.ping(), soon);
  store.freeze();
  const given = vi.fn();
  client.on('close', given);
  await expect(client.ping()).rejects.toThrow('timed out');
  await vi.waitFor(() => {
    expect(given).toHaveBeenCalled();
  }, soon);
  store.thaw();
  await vi.waitFor(() => client.ping(), soon);
});
