// ioredis with the options that matter said: it fails fast, and never resends a command whose
// answer was lost to what may be another process (decision 6).
//
// To a Redis Cluster it does, when the connection ends before the answer (`retryDelayOnFailover`,
// which its lazy connections cannot do without). So every command that changes something must bear
// being run twice, and late: `sell` finds its own first run in the outbox, and refuses another
// process; `acknowledge`, `cancel`, `restock` and notes have nothing left to do; `load` goes by its
// claim, which no two rebuilds share; `configure` by its number; a claim that comes late costs a
// rebuild; boards are joins, or go by their marks (lib/sale/cluster.integration.test.ts).

import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import { redisCommandTimeoutMs, redisSilenceMs } from '#lib/constants.ts';
import type { Log } from '#lib/telemetry/log.ts';
import { hintOf } from '#lib/tls/hint.ts';
import { connectionOptionsOf, type RedisAccess } from './access.ts';

/** One Redis, or a Redis Cluster: the same commands as far as we use them. */
export type RedisClient = Redis | Cluster;

const nameAsItIs: NonNullable<ClusterOptions['dnsLookup']> = (name, done) => {
  done(null, name);
};

/**
 * Connects to one URL, or to a Redis Cluster when there are several. Resolves at once; commands
 * sent while it is not connected fail at once (no offline queue), so that a dead Redis is
 * answered with 503, not waited for. It reconnects by itself for ever.
 */
export function connectRedis(access: RedisAccess, log: Log): RedisClient {
  const { urls, tls } = access;
  const [first] = urls;
  if (first === undefined) throw new Error('no URL of Redis is given');
  const options = {
    ...connectionOptionsOf(access),
    commandTimeout: redisCommandTimeoutMs,
    connectTimeout: redisCommandTimeoutMs,
    // Else commands would time out on a dead connection for ever, and no fail-over be seen.
    socketTimeout: redisSilenceMs,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    retryStrategy: (attempt: number) => Math.min(50 * attempt, 500),
  } satisfies RedisOptions;
  const client =
    urls.length === 1
      ? new Redis(first, options)
      : new Cluster([...urls], {
          enableOfflineQueue: false,
          // A certificate is for the name, which ioredis would replace by the address.
          ...(tls === undefined ? {} : { dnsLookup: nameAsItIs }),
          redisOptions: options,
          clusterRetryStrategy: (attempt) => Math.min(50 * attempt, 500),
        });
  // Without a listener, a lost connection would end the process.
  // Each reason once: the first may be a connection reset, and the next what is behind it.
  const said = new Set<string>();
  client.on('error', (error: Error & { readonly code?: string }) => {
    const hint = hintOf(error);
    const reason = hint ?? error.code ?? error.name;
    if (!said.has(reason)) log.warn({ err: error, hint }, 'Redis is away');
    said.add(reason);
  });
  client.on('ready', () => {
    if (said.size > 0) log.info('Redis is back');
    said.clear();
  });
  return client;
}
