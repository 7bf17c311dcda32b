// A sale in Redis as it is at one moment, for those who compare it with the other stores, and the
// way to have it rebuilt where it is found wrong.

import { saleKeys } from '#lib/names.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { loadScript } from '#lib/redis/script.ts';
import { type Fence, fenceArgs } from './sale.ts';

const snapshotScript = loadScript(import.meta.dirname, 'snapshot-4.lua');
const discardScript = loadScript(import.meta.dirname, 'discard-1.lua');

export interface Snapshot {
  /** The sale's own fields, as they stand; empty where it is not in this Redis. */
  readonly fields: ReadonlyMap<string, string>;
  /** How many orders and buyers there are. */
  readonly orders: number;
  readonly buyers: number;
  /** The batches that Kafka has not acknowledged, and when the oldest of them was accepted. */
  readonly outbox: ReadonlySet<number>;
  readonly oldestPendingAtUs: number | undefined;
  /** When this was, by Redis' clock. */
  readonly atUs: number;
  /** The Redis process that answered, and how it keeps what it holds. */
  readonly process: RedisProcess;
}

export interface RedisProcess {
  readonly runId: string;
  readonly replid: string;
  readonly evictionPolicy: string;
  readonly keepsAof: boolean;
}

type Reply =
  | ['refused']
  | [
      'seen',
      string[],
      number,
      number,
      string[],
      string,
      [seconds: string, microseconds: string],
      [runId: string, replid: string, policy: string, aof: string],
    ];

/**
 * Looks at a sale in one step. With a fence: `refused` where it is old, or the sale is not there
 * or being rebuilt. Throws where Redis is away.
 */
export async function takeSnapshot(redis: RedisClient, productId: string): Promise<Snapshot>;
export async function takeSnapshot(
  redis: RedisClient,
  productId: string,
  fence: Fence,
): Promise<Snapshot | 'refused'>;
export async function takeSnapshot(
  redis: RedisClient,
  productId: string,
  fence?: Fence,
): Promise<Snapshot | 'refused'> {
  const keys = Object.values(saleKeys(productId));
  const reply = (await snapshotScript.run(redis, keys, fence ? fenceArgs(fence) : [])) as Reply;
  if (reply[0] === 'refused') return 'refused';
  const [, fields, orders, buyers, outbox, oldest, [seconds, microseconds], process] = reply;
  const [runId, replid, evictionPolicy, aof] = process;
  const acceptedAt = /"acceptedAt":(\d+)/.exec(oldest)?.[1];
  return {
    fields: pairsOf(fields),
    orders,
    buyers,
    outbox: new Set(outbox.map(Number)),
    oldestPendingAtUs: acceptedAt === undefined ? undefined : Number(acceptedAt),
    atUs: Number(seconds) * 1_000_000 + Number(microseconds),
    process: { runId, replid, evictionPolicy, keepsAof: aof === '1' },
  };
}

/**
 * Has the sale rebuilt by whoever holds its lock next; nothing is sold before. False where the
 * caller's token or generation is old, or the sale is being rebuilt already.
 */
export async function discardSale(
  redis: RedisClient,
  productId: string,
  fence: Fence,
): Promise<boolean> {
  const reply = await discardScript.run(redis, [saleKeys(productId).sale], fenceArgs(fence));
  return reply === 'discarded';
}

function pairsOf(flat: readonly string[]): ReadonlyMap<string, string> {
  const pairs = new Map<string, string>();
  for (let at = 0; at + 1 < flat.length; at += 2) pairs.set(flat[at] ?? '', flat[at + 1] ?? '');
  return pairs;
}

/** Why a sale is not sold as it stands in Redis: the script of `sell` refuses it. */
export type Unfit = 'missing' | 'loading' | 'other_process' | 'not_whole';

/** Undefined where the sale can be sold. The same conditions as in `sell-4.lua`. */
export function whyUnfit({ fields, orders, buyers, outbox, process }: Snapshot): Unfit | undefined {
  const state = fields.get('state');
  if (state === undefined) return 'missing';
  if (state === 'loading') return 'loading';
  if (fields.get('run_id') !== process.runId || fields.get('replid') !== process.replid) {
    return 'other_process';
  }
  const hasSold = Number(fields.get('sold')) > 0;
  if (hasSold && (orders === 0 || buyers === 0)) return 'not_whole';
  if (outbox.size < Number(fields.get('outbox_batches') ?? 0)) return 'not_whole';
  return undefined;
}

/**
 * Whether MySQL has rejected orders since the sale was loaded: then Redis has sold units that are
 * not free, and counts them for buyers, as the boards do. Only a rebuild makes that good.
 */
export function hasRejections({ fields }: Snapshot): boolean {
  return Number(fields.get('rejects') ?? 0) > 0;
}
