// For tests: what Redis really ran, in its own order and by its own clock, is run again on a
// reference model of the buckets, in integers without bounds. MONITOR tells the order; the time
// that a script has seen is in what it wrote.

import type { Redis } from 'ioredis';
import { expect } from 'vitest';
import type { RedisClient } from '#lib/redis/connect.ts';
import { uniqueName } from '#lib/testing/unique.ts';

const micro = 1_000_000n;

/** One command as MONITOR shows it; `source` is `lua` for those that a script has called. */
interface Seen {
  readonly args: readonly string[];
  readonly source: string;
}

export interface Monitor {
  /** All that was run since the last call of this, in Redis' order. */
  taken(): Promise<readonly Seen[]>;
  stop(): void;
}

/** Watches one Redis, or one node of a cluster. */
export async function watch(node: Redis): Promise<Monitor> {
  const monitor = await node.monitor();
  const seen: Seen[] = [];
  monitor.on('monitor', (_time: string, args: string[], source: string) => {
    seen.push({ args, source });
  });
  return {
    async taken() {
      const mark = uniqueName('mark');
      await node.echo(mark);
      const isMark = ({ args }: Seen) => args[1] === mark;
      await expect.poll(() => seen.some(isMark), { interval: 1, timeout: 10_000 }).toBe(true);
      return seen.splice(0, seen.findIndex(isMark) + 1);
    },
    stop: () => {
      monitor.disconnect();
    },
  };
}

/** Every run of a script of this client, with what came of it. */
export interface Ran {
  readonly text: string;
  readonly reply: unknown;
}

/** The client, and what it runs from now on. */
export function recorded<Client extends RedisClient>(
  redis: Client,
): { client: Client; ran: Ran[] } {
  const ran: Ran[] = [];
  const evalsha = async (digest: string, keyCount: number, ...args: (string | number)[]) => {
    const reply = await redis.evalsha(digest, keyCount, ...args);
    ran.push({ text: [digest, keyCount, ...args].join(' '), reply });
    return reply;
  };
  return { client: Object.assign(Object.create(redis) as Client, { evalsha }), ran };
}

/** Moves a bucket's clock: forward by so many microseconds, or back. */
export async function stepClock(redis: RedisClient, key: string, us: number): Promise<void> {
  await redis.eval(stepScript, 1, key, us);
}

const stepScript = `
local level, since = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%d+)$')
if level then
  since = string.format('%.0f', tonumber(since) - tonumber(ARGV[1]))
  redis.call('SET', KEYS[1], level .. ' ' .. since, 'KEEPTTL')
end
return redis.status_reply('OK')`;

interface ModelBucket {
  /** Undefined while it is full, and nobody has taken anything. */
  stored: { readonly level: bigint; readonly since: bigint } | undefined;
  /** Micro-tokens: given, less what came back; and earned, by the limits of the calls. */
  given: bigint;
  earned: bigint;
  /** The most it could ever hold. */
  capacity: bigint;
}

export interface Model {
  readonly buckets: ReadonlyMap<string, ModelBucket>;
  /** Runs it again; the replies are by the text of the command. Throws where they cannot be. */
  replay(seen: readonly Seen[]): Map<string, unknown[]>;
}

/** All buckets are full at first. */
export function createModel(): Model {
  const buckets = new Map<string, ModelBucket>();
  const notes = new Map<string, number>();
  return {
    buckets,
    replay(seen) {
      const replies = new Map<string, unknown[]>();
      for (const { args, written } of runsIn(seen)) {
        const [name, ...rest] = args;
        if (name === 'eval') {
          step(buckets, rest[2] ?? '', BigInt(rest[3] ?? 0));
          continue;
        }
        const text = rest.join(' ');
        const reply = take(buckets, notes, rest.slice(1), written);
        replies.set(text, [...(replies.get(text) ?? []), reply]);
      }
      return replies;
    },
  };
}

interface Run {
  readonly args: readonly string[];
  /** What the script has set, by key. */
  readonly written: ReadonlyMap<string, string>;
}

function runsIn(commands: readonly Seen[]): Run[] {
  return commands.flatMap(({ args: [name = '', ...args], source }, index) => {
    const isRun = source !== 'lua' && ['eval', 'evalsha'].includes(name.toLowerCase());
    if (!isRun) return [];
    const after = commands.slice(index + 1);
    const called = after.slice(
      0,
      after.findIndex((one) => one.source !== 'lua'),
    );
    const sets = called.filter((one) => one.args[0]?.toUpperCase() === 'SET');
    const written = new Map(sets.map((one) => [one.args[1] ?? '', one.args[2] ?? '']));
    return [{ args: [name.toLowerCase(), ...args], written }];
  });
}

function step(buckets: Map<string, ModelBucket>, key: string, us: bigint): void {
  const bucket = buckets.get(key);
  if (bucket?.stored === undefined) return;
  const { level, since } = bucket.stored;
  bucket.stored = { level, since: since - us };
}

/** One run of take-n.lua, from the number of keys on. */
function take(
  buckets: Map<string, ModelBucket>,
  notes: Map<string, number>,
  [keyCount = '', ...rest]: readonly string[],
  written: ReadonlyMap<string, string>,
): number[] {
  const keys = rest.slice(0, Number(keyCount));
  const [requests = 0, giving = 0, ...args] = rest.slice(keys.length).map(Number);
  const note = giving > 0 ? keys.pop() : undefined;
  const isRepeated = note !== undefined && giving <= (notes.get(note) ?? 0);
  if (note !== undefined && !isRepeated) notes.set(note, giving);

  // The script's own reading of the clock. Where it wrote none, no bucket is in need of one.
  const times = keys.map((key) => written.get(key)?.split(' ')[1]);
  const now = BigInt(times.find((time) => time !== undefined) ?? 0);
  const models = keys.map((key) => bucketOf(buckets, key));
  const full = models.map((_, at) => BigInt(args[3 * at + 1] ?? 0) * micro);
  const levels = models.map((bucket, at) => {
    const [rate = 0n, , tokens = 0n] = args.slice(3 * at, 3 * at + 3).map(BigInt);
    const limit = { rate, most: full[at] ?? 0n };
    return refill(bucket, limit, now, isRepeated ? 0n : tokens * micro);
  });
  const asked = args.slice(3 * keys.length);
  const each = requests === 0 ? 0 : asked.length / requests;
  const answers = Array.from({ length: requests }, (_, request) => {
    const places = asked.slice(request * each, (request + 1) * each).map((number) => number - 1);
    const refusing = places.findIndex((place) => (levels[place] ?? 0n) < micro);
    if (refusing >= 0) return refusing + 1;
    for (const place of places) {
      levels[place] = (levels[place] ?? 0n) - micro;
      bucketOf(buckets, keys[place] ?? '').given += micro;
    }
    return 0;
  });
  models.forEach((bucket, at) => {
    const level = levels[at] ?? 0n;
    const isKept = bucket.stored !== undefined || level < (full[at] ?? 0n);
    bucket.stored = isKept ? { level, since: now } : undefined;
    expect(written.get(keys[at] ?? '')).toBe(isKept ? `${level} ${now}` : undefined);
  });
  return [...answers, ...levels.map(Number)];
}

const least = (a: bigint, b: bigint) => (a < b ? a : b);

/** What is in a bucket by now, with what is given back to it. */
function refill(
  bucket: ModelBucket,
  { rate, most }: { readonly rate: bigint; readonly most: bigint },
  now: bigint,
  back: bigint,
): bigint {
  if (most > bucket.capacity) bucket.capacity = most;
  if (bucket.stored === undefined) return most;
  const { level, since } = bucket.stored;
  const earned = now > since ? rate * (now - since) : 0n;
  bucket.earned += earned;
  const before = least(most, level + earned);
  const after = least(most, before + back);
  bucket.given -= after - before;
  return after;
}

function bucketOf(buckets: Map<string, ModelBucket>, key: string): ModelBucket {
  const bucket = buckets.get(key) ?? { stored: undefined, given: 0n, earned: 0n, capacity: 0n };
  buckets.set(key, bucket);
  return bucket;
}
