// Redis as the sales need it: nothing is evicted, and every second's writes are on disk.

import { mkdir } from 'node:fs/promises';
import { Redis } from 'ioredis';
import { findProgram } from './programs.ts';
import { checkTimeoutMs, type Store } from './store.ts';

export const redis: Store = {
  name: 'redis',
  variable: 'SECKILL_REDIS_URL',
  programs: [{ program: 'redis-server', debianPackage: 'redis-server' }],

  async prepare({ folder }) {
    await mkdir(`${folder}/data`, { recursive: true });
  },

  command({ folder, port }) {
    const options = {
      bind: '127.0.0.1',
      port: String(port),
      dir: `${folder}/data`,
      appendonly: 'yes',
      appendfsync: 'everysec',
      // The append-only file is the one copy: snapshots beside it would only cost.
      save: '',
      'maxmemory-policy': 'noeviction',
    };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
    return { command: findProgram('redis-server'), args };
  },

  address: ({ port }) => `redis://127.0.0.1:${port}`,

  async check(address) {
    for (const url of address.split(',')) await ping(url.trim());
  },
};

async function ping(url: string): Promise<void> {
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: checkTimeoutMs,
    commandTimeout: checkTimeoutMs,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  // Without a listener ioredis prints what `connect` rejects with anyway.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.ping();
  } finally {
    client.disconnect();
  }
}
