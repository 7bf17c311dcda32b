// A sale as it lives in Redis: the wrappers of its scripts. Each script is one atomic decision;
// each can be repeated after an answer was lost.

import { eventBytesMax, eventOrdersMax } from '#lib/constants.ts';
import { crashPoint } from '#lib/crash-point.ts';
import { saleKeys } from '#lib/names.ts';
import { batchIdOf } from '#lib/order-event.ts';
import type { PurchaseAnswer, PurchaseOutcome } from '#lib/outcome.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { loadScript } from '#lib/redis/script.ts';
import type { Span } from '#lib/telemetry/tracing.ts';

/** The layout of the keys; a reader refuses a version it does not know. */
export const saleVersion = 1;

/** Who calls: the fencing token of the product's lock, and the generation it knows. */
export interface Fence {
  readonly generation: number;
  readonly revision: number;
  readonly incarnation: number;
}

export interface Purchase {
  readonly orderId: string;
  readonly userId: string;
  readonly quantity: number;
  readonly traceparent?: string | undefined;
  /** Where it is sampled: of its way through this process. */
  readonly span?: Span | undefined;
}

/** A batch in the outbox: the bytes that are published as they are until Kafka has them. */
export interface OutboxBatch {
  readonly number: number;
  readonly data: string;
}

/** What `sell` came to. Only `decided` decided anything about the purchases. */
export type SellResult =
  | { readonly kind: 'missing' | 'loading' | 'other_process' | 'fenced' }
  | { readonly kind: 'other_generation'; readonly generation: number }
  | { readonly kind: 'leftovers'; readonly batches: readonly OutboxBatch[] }
  | {
      readonly kind: 'decided';
      readonly answers: readonly PurchaseAnswer[];
      readonly batches: readonly OutboxBatch[];
      /** When the sale accepted something last; epoch microseconds. */
      readonly lastAtUs: number;
    };

/** A sale's fields as they are loaded; times in epoch microseconds. */
export interface SaleFields {
  readonly generation: number;
  readonly revision: number;
  readonly incarnation: number;
  readonly name: string;
  readonly unitPrice: number;
  readonly currency: string;
  readonly limit: number;
  readonly stock: number;
  readonly left: number;
  readonly sold: number;
  /** Free unit ranges, lowest first: `1-100,205-300`. */
  readonly free: string;
  readonly state: SaleState;
  readonly opensAtUs: number | null;
  readonly closesAtUs: number | null;
  readonly batches: number;
  readonly lastAtUs: number;
}

export type SaleState = 'on_sale' | 'paused' | 'closed';

/** What an operator may change while a sale runs. */
export type SaleSettings = Pick<SaleFields, 'state' | 'opensAtUs' | 'closesAtUs'>;

const script = (file: string) => loadScript(import.meta.dirname, file);
const sellScript = script('sell-4.lua');
const acknowledgeScript = script('acknowledge-2.lua');
const claimScript = script('claim-1.lua');
const unclaimScript = script('unclaim-4.lua');
const loadSaleScript = script('load-4.lua');
const configureScript = script('configure-1.lua');
const clockScript = script('clock-1.lua');
const identifyScript = script('identify-1.lua');

/**
 * Decides a batch and sells what can be sold (`sell-4.lua`). Throws where Redis did not answer:
 * then the batch may or may not have been sold, and its orders, if any, are in the outbox.
 * `underWay` names batches that the caller is publishing: it may sell beside them, and nobody may
 * be told of an acceptance before they are through. Something was accepted at `lastAtLeastUs`, as
 * the caller knows: a sale that knows less is a copy of the past, and as good as missing.
 */
export async function sell(
  redis: RedisClient,
  productId: string,
  fence: Fence,
  purchases: readonly Purchase[],
  underWay: Iterable<number> = [],
  lastAtLeastUs = 0,
): Promise<SellResult> {
  const { sale, orders, buyers, outbox } = saleKeys(productId);
  const reply = (await sellScript.run(
    redis,
    [sale, orders, buyers, outbox],
    [
      ...fenceArgs(fence),
      eventOrdersMax,
      eventBytesMax,
      [...underWay].join(),
      lastAtLeastUs,
      ...purchases.flatMap(({ orderId, userId, quantity, traceparent }) => [
        orderId,
        userId,
        quantity,
        traceparent ?? '',
      ]),
    ],
  )) as SellReply;
  return sellResultOf(reply, purchases);
}

type SellReply =
  | ['missing' | 'loading' | 'other_process' | 'fenced']
  | ['other_generation', string]
  | ['leftovers', ...string[]]
  | ['decided', string, string, PurchaseOutcome[], string[], string];

function sellResultOf(reply: SellReply, purchases: readonly Purchase[]): SellResult {
  switch (reply[0]) {
    case 'decided': {
      const [, left, opensAt, outcomes, batches, lastAt] = reply;
      const answers = purchases.map(({ quantity }, index): PurchaseAnswer => {
        const outcome = outcomes[index];
        switch (outcome) {
          case undefined:
            return { outcome: 'unavailable' };
          case 'accepted':
          case 'replayed':
            return { outcome, quantity };
          case 'sold_out':
            return { outcome, left: Number(left) };
          case 'not_open':
            return opensAt === '' ? { outcome } : { outcome, opensAtUs: Number(opensAt) };
          default:
            return { outcome };
        }
      });
      return {
        kind: 'decided',
        answers,
        batches: outboxBatchesOf(batches),
        lastAtUs: Number(lastAt),
      };
    }
    case 'leftovers': {
      const [kind, ...batches] = reply;
      return { kind, batches: outboxBatchesOf(batches) };
    }
    case 'other_generation':
      return { kind: reply[0], generation: Number(reply[1]) };
    default:
      return { kind: reply[0] };
  }
}

/** Batches from `number, data, number, data, …`, in the order in which they were sold. */
function outboxBatchesOf(flat: readonly string[]): OutboxBatch[] {
  const batches: OutboxBatch[] = [];
  for (let index = 0; index + 1 < flat.length; index += 2) {
    batches.push({ number: Number(flat[index]), data: flat[index + 1] ?? '' });
  }
  return batches.sort((a, b) => a.number - b.number);
}

/**
 * Removes acknowledged batches from the outbox. False where the caller's token or generation is
 * old: then a newer holder decides about these orders, and nobody may be told 202.
 */
export async function acknowledge(
  redis: RedisClient,
  productId: string,
  fence: Fence,
  batchNumbers: readonly number[],
): Promise<boolean> {
  const { sale, outbox } = saleKeys(productId);
  const reply = await acknowledgeScript.run(
    redis,
    [sale, outbox],
    [...fenceArgs(fence), ...batchNumbers],
  );
  return reply === 'acknowledged';
}

/** What the outbox holds now: the batches that no acknowledgement has removed. */
export async function readOutbox(redis: RedisClient, productId: string): Promise<OutboxBatch[]> {
  const batches = await redis.hgetall(saleKeys(productId).outbox);
  return outboxBatchesOf(Object.entries(batches).flat());
}

/** Stops selling and acknowledging until this rebuild, or a later one, has loaded the sale. */
export async function claim(redis: RedisClient, productId: string, name: string): Promise<void> {
  await claimScript.run(redis, [saleKeys(productId).sale], [name]);
}

/**
 * Removes a sale that was claimed and is not to be loaded, since it is settled. False where
 * another rebuild has claimed it since, or it is gone.
 */
export async function unclaim(
  redis: RedisClient,
  productId: string,
  claimName: string,
): Promise<boolean> {
  const keys = Object.values(saleKeys(productId));
  return (await unclaimScript.run(redis, keys, [claimName])) === 'removed';
}

/** Pairs per chunk: enough to be fast, few enough for Lua's stack and for other callers. */
const chunkPairs = 500;

/**
 * Replaces a claimed sale by what MySQL holds, in chunks. False where another rebuild has claimed
 * it since, or Redis lost the claim. `meanwhile` runs when the new generation is to be seen, and
 * nothing is sold yet.
 */
export async function load(
  redis: RedisClient,
  productId: string,
  claimName: string,
  { fields, orders, buyers }: SaleContent,
  meanwhile?: () => Promise<void>,
): Promise<boolean> {
  const keys = Object.values(saleKeys(productId));
  const part = async (name: string, pairs: readonly (string | number)[]) =>
    (await loadSaleScript.run(redis, keys, [claimName, name, ...pairs])) === 'loaded';
  const parts = async (name: string, pairs: readonly (readonly [string, string])[]) => {
    for (let at = 0; at < pairs.length; at += chunkPairs) {
      if (!(await part(name, pairs.slice(at, at + chunkPairs).flat()))) return false;
      crashPoint('rebuild.between-chunks');
    }
    return true;
  };
  if (!(await part('first', ['generation', fields.generation]))) return false;
  crashPoint('rebuild.first-chunk');
  await meanwhile?.();
  if (!(await parts('orders', orders)) || !(await parts('buyers', buyers))) return false;
  crashPoint('rebuild.before-last-chunk');
  return part('last', Object.entries(fieldValues(fields)).flat());
}

/** The whole of a sale: its fields, and its orders and buyers as they stand in their HASHes. */
export interface SaleContent {
  readonly fields: SaleFields;
  readonly orders: readonly (readonly [orderId: string, value: string])[];
  readonly buyers: readonly (readonly [userId: string, value: string])[];
}

function fieldValues(fields: SaleFields): Record<string, string | number> {
  return {
    version: saleVersion,
    generation: fields.generation,
    revision: fields.revision,
    incarnation: fields.incarnation,
    name: fields.name,
    unit_price: fields.unitPrice,
    currency: fields.currency,
    limit: fields.limit,
    stock: fields.stock,
    left: fields.left,
    sold: fields.sold,
    free: fields.free,
    batches: fields.batches,
    outbox_batches: 0,
    last_at: fields.lastAtUs,
    ...settingValues(fields),
  };
}

function settingValues({ state, opensAtUs, closesAtUs }: SaleSettings) {
  return { state, opens_at: opensAtUs ?? '', closes_at: closesAtUs ?? '' };
}

/** Counts the changes of this process, which is one holder of a lock at a time. */
let changes = 0;

/**
 * Sets what an operator changed, as absolute values; `absent` where the sale is not loaded. A call
 * that was given up may still come late: it is refused where a later one of its holder was first.
 */
export async function configure(
  redis: RedisClient,
  productId: string,
  fence: Fence,
  settings: SaleSettings,
): Promise<'configured' | 'absent' | 'refused'> {
  const pairs = Object.entries(settingValues(settings)).flat();
  const reply = await configureScript.run(
    redis,
    [saleKeys(productId).sale],
    [...fenceArgs(fence), ++changes, ...pairs],
  );
  return reply as 'configured' | 'absent' | 'refused';
}

/** The Redis process that holds a sale, as `load` notes it in the sale. */
export async function identifyRedis(
  redis: RedisClient,
  productId: string,
): Promise<{ readonly runId: string; readonly replid: string }> {
  const reply = await identifyScript.run(redis, [saleKeys(productId).sale], []);
  const [runId, replid] = reply as [string, string];
  return { runId, replid };
}

/** Whether this generation of the sale is loaded, whole, into the process that answers now. */
export async function isLoaded(
  redis: RedisClient,
  productId: string,
  generation: number,
): Promise<boolean> {
  const [[state, loaded, runId, replid], process] = await Promise.all([
    redis.hmget(saleKeys(productId).sale, 'state', 'generation', 'run_id', 'replid'),
    identifyRedis(redis, productId),
  ]);
  if (!state || state === 'loading' || Number(loaded) !== generation) return false;
  return runId === process.runId && replid === process.replid;
}

/** Epoch microseconds by the clock of the Redis that holds the sale. */
export async function saleTimeUs(redis: RedisClient, productId: string): Promise<number> {
  const reply = await clockScript.run(redis, [saleKeys(productId).sale], []);
  const [seconds, microseconds] = reply as [string, string];
  return Number(seconds) * 1_000_000 + Number(microseconds);
}

/** A fence as the scripts take it: their first three arguments. */
export function fenceArgs({ generation, revision, incarnation }: Fence): number[] {
  return [generation, revision, incarnation];
}

/** The name of an outbox batch as an event. */
export function batchIdIn(productId: string, generation: number, batch: OutboxBatch): string {
  return batchIdOf(productId, generation, batch.number);
}
