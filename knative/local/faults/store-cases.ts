// What befalls the stores and `purchase` while a crowd buys.

import { readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { saleKeys } from '#lib/names.ts';
import type { Fleet } from './fleet.ts';
import type { Member } from './member.ts';

export interface StoreCase {
  readonly name: string;
  /** Taken while the sale runs; the crowd buys on before it befalls. */
  readonly prepare?: (fleet: Fleet, productId: string) => Promise<unknown>;
  /** Resolves when what was taken down is up again. */
  readonly befall: (fleet: Fleet, productId: string, prepared: unknown) => Promise<void>;
}

export const storeCases: readonly StoreCase[] = [
  killedAndRestarted('Redis', 'redis'),
  {
    name: 'Redis is restarted with a truncated append-only file',
    async befall(fleet) {
      await fleet.killStore('redis');
      truncateLast(redisFiles(fleet));
      await fleet.startStore('redis');
    },
  },
  {
    name: 'Redis is flushed',
    async befall({ redis }) {
      await redis.flushall();
    },
  },
  {
    name: 'put back: an old copy of the sale, into the running Redis',
    prepare: copyOfSale,
    befall: putBack,
  },
  {
    name: 'the outbox is deleted, again and again',
    async befall({ redis }, productId) {
      for (let time = 0; time < 20; time += 1) {
        await redis.del(saleKeys(productId).outbox);
        await setTimeout(100);
      }
    },
  },
  {
    name: 'Redis is restarted with an older append-only file',
    prepare: copyOfRedis,
    befall: restartRedisWith,
  },
  {
    name: 'Redis is restarted with an older snapshot (RDB)',
    async prepare(fleet) {
      const before = redisFiles(fleet).incremental;
      await fleet.redis.bgrewriteaof();
      // The new base is a snapshot, and what follows it is in a new file.
      while (redisFiles(fleet).incremental === before || redisFiles(fleet).count > 3) {
        await setTimeout(20);
      }
      const copy = await copyOfRedis(fleet);
      truncateSync(join(copy, filesOf(copy).incremental), 0);
      return copy;
    },
    befall: restartRedisWith,
  },
  killedAndRestarted('etcd', 'etcd'),
  {
    name: 'etcd is replaced by an empty one',
    async befall(fleet) {
      await fleet.killStore('etcd');
      rmSync(join(fleet.folder, 'etcd/data'), { recursive: true });
      await fleet.startStore('etcd');
    },
  },
  killedAndRestarted('Kafka', 'kafka'),
  killedAndRestarted('MySQL', 'mysql'),
];

function killedAndRestarted(label: string, store: Parameters<Fleet['killStore']>[0]): StoreCase {
  return {
    name: `${label} is killed and restarted`,
    async befall(fleet) {
      await fleet.killStore(store);
      await fleet.startStore(store);
    },
  };
}

export const kills = 50;

/** `purchase` is killed at random, so many times, sometimes before it is ready again. */
export function randomKills(random: () => number): StoreCase {
  return {
    name: `purchase is killed ${kills} times`,
    async befall({ purchases, gateway }) {
      const routeToReady = (ready: ReadonlySet<Member>) => {
        gateway.route([...ready].map(({ url }) => url));
      };
      const ready = new Set<Member>(purchases);
      for (let kill = 0; kill < kills; kill += 1) {
        await setTimeout(random() * 1_200);
        const member = purchases[random() < 0.5 ? 0 : 1];
        await member.kill();
        ready.delete(member);
        routeToReady(ready);
        await member.launch();
        // The next one may befall a process that has not come far.
        if (random() < 0.2) continue;
        await member.untilReady();
        ready.add(member);
        routeToReady(ready);
      }
      await Promise.all(purchases.map((member) => member.untilReady()));
      routeToReady(new Set(purchases));
    },
  };
}

type Dump = readonly (readonly [key: string, value: Buffer | null])[];

async function copyOfSale({ redis }: Fleet, productId: string): Promise<Dump> {
  const keys = Object.values(saleKeys(productId));
  const transaction = redis.multi();
  for (const key of keys) transaction.dumpBuffer(key);
  const values = (await transaction.exec()) ?? [];
  return keys.map((key, index) => [key, values[index]?.[1] as Buffer | null]);
}

async function putBack({ redis }: Fleet, _productId: string, copy: unknown): Promise<void> {
  const transaction = redis.multi();
  for (const [key, value] of copy as Dump) {
    if (value === null) transaction.del(key);
    else transaction.restore(key, 0, value, 'REPLACE');
  }
  await transaction.exec();
}

async function restartRedisWith(fleet: Fleet, _productId: string, copy: unknown): Promise<void> {
  await fleet.killStore('redis');
  const folder = redisFolder(fleet);
  rmSync(folder, { recursive: true });
  await cp(copy as string, folder, { recursive: true });
  await fleet.startStore('redis');
}

async function copyOfRedis(fleet: Fleet): Promise<string> {
  const copy = join(fleet.folder, 'copy-of-redis');
  rmSync(copy, { recursive: true, force: true });
  await cp(redisFolder(fleet), copy, { recursive: true });
  return copy;
}

const redisFolder = (fleet: Fleet) => join(fleet.folder, 'redis/data/appendonlydir');

interface RedisFiles {
  readonly folder: string;
  readonly count: number;
  /** What was written since the base. */
  readonly incremental: string;
}

const redisFiles = (fleet: Fleet) => filesOf(redisFolder(fleet));

function filesOf(folder: string): RedisFiles {
  const files = readdirSync(folder);
  const incremental =
    files
      .filter((file) => file.endsWith('.incr.aof'))
      .sort()
      .at(-1) ?? '';
  return { folder, count: files.length, incremental };
}

/** Loses what was written last: a third of what came since the base, cut in the middle of a word. */
function truncateLast({ folder, incremental }: RedisFiles): void {
  const path = join(folder, incremental);
  truncateSync(path, Math.floor((statSync(path).size * 2) / 3) + 1);
}
