// What the stores say that they hold. A store that is away, or slow, has nothing to say: null.

import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import type { Standing } from '#functions/purchase/standing.ts';
import type { TestRuntime } from '#lib/testing/runtime.ts';
import { ofKind } from '../nodes/roles.ts';
import type { ProcessEntry } from '../state.ts';

export interface StoreFigures {
  /** Of all masters together. */
  readonly redis: { readonly keys: number; readonly usedMb: number } | null;
  readonly etcd: {
    readonly keys: number;
    readonly leases: number;
    readonly databaseMb: number;
  } | null;
  readonly mysql: { readonly connections: number } | null;
  /** Accepted orders that Kafka has not acknowledged. */
  readonly outboxOrders: number | null;
  /** Events that a sink has not answered for, by its name. */
  readonly lagEvents: Readonly<Record<string, number>> | null;
}

const answerMs = 2_500;

export async function readStores(system: TestRuntime): Promise<StoreFigures> {
  const { processes, env } = system;
  const [redis, etcd, mysql, standing] = await Promise.all([
    orNull(readRedis(ofKind(processes, 'redis'))),
    orNull(readEtcd(ofKind(processes, 'etcd'))),
    orNull(readMysql(String(env.SECKILL_MYSQL_URL))),
    orNull(readStanding(ofKind(processes, 'purchase'))),
  ]);
  return {
    ...{ redis, etcd, mysql },
    outboxOrders: standing?.sales?.reduce((sum, { pending }) => sum + pending, 0) ?? null,
    lagEvents: standing?.lagEvents ?? null,
  };
}

/** What the files below a folder take up on the disk, MB of 10^6 bytes. */
export function diskMbOf(folder: string): number {
  let blocks = 0;
  const pending = [folder];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    try {
      for (const entry of readdirSync(next, { withFileTypes: true })) {
        const path = join(next, entry.name);
        if (entry.isDirectory()) pending.push(path);
        else blocks += lstatSync(path).blocks;
      }
    } catch {
      // Stores remove files as they like.
    }
  }
  return (blocks * 512) / 1e6;
}

async function readRedis(nodes: readonly ProcessEntry[]) {
  const found = await Promise.all(nodes.map(readRedisNode));
  const masters = found.filter(({ isMaster }) => isMaster);
  return {
    keys: masters.reduce((sum, { keys }) => sum + keys, 0),
    usedMb: masters.reduce((sum, { usedMb }) => sum + usedMb, 0),
  };
}

async function readRedisNode({ port }: ProcessEntry) {
  const client = new Redis(port, '127.0.0.1', {
    ...{ lazyConnect: true, commandTimeout: answerMs, connectTimeout: answerMs },
    ...{ maxRetriesPerRequest: 0, retryStrategy: () => null },
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const info = await client.info();
    return {
      isMaster: info.includes('role:master'),
      keys: await client.dbsize(),
      usedMb: Number(/^used_memory:(\d+)/m.exec(info)?.[1]) / 1e6,
    };
  } finally {
    client.disconnect();
  }
}

async function readEtcd([any]: readonly ProcessEntry[]) {
  const ask = async (path: string, body: object) => {
    const response = await fetch(`http://127.0.0.1:${any?.port ?? 0}/v3/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(answerMs),
    });
    return (await response.json()) as Record<string, unknown>;
  };
  // From the first key to the last, as bytes in base64.
  const all = { key: 'AA==', range_end: 'AA==', count_only: true };
  const [range, lease, status] = await Promise.all([
    ask('kv/range', all),
    ask('lease/leases', {}),
    ask('maintenance/status', {}),
  ]);
  return {
    keys: Number(range['count'] ?? 0),
    leases: Array.isArray(lease['leases']) ? lease['leases'].length : 0,
    databaseMb: Number(status['dbSize'] ?? 0) / 1e6,
  };
}

async function readMysql(url: string) {
  const connection = await createConnection({ uri: url, connectTimeout: answerMs });
  try {
    const sql = "show global status like 'Threads_connected'";
    const [rows] = await connection.query<RowDataPacket[]>({ sql, timeout: answerMs });
    // Not this one.
    return { connections: Number(rows[0]?.['Value']) - 1 };
  } finally {
    connection.destroy();
  }
}

async function readStanding([any]: readonly ProcessEntry[]): Promise<Standing> {
  const response = await fetch(`http://127.0.0.1:${any?.metricsPort ?? 0}/standing`, {
    signal: AbortSignal.timeout(2 * answerMs),
  });
  return (await response.json()) as Standing;
}

function orNull<T>(reading: Promise<T>): Promise<T | null> {
  return reading.catch(() => null);
}
