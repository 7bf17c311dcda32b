// The commands of Redis that the scripts and the shipped code use, on data in memory. What was
// written can be written again, up to any point: that is what a Redis has after losing its last writes.

type Value = Map<string, string> | string;
export type Reply = string | number | null | Reply[];

type Arguments = readonly string[];

/** One Redis' data. Commands that are not here are errors: nobody should be surprised silently. */
export class RedisData {
  readonly #keys = new Map<string, Value>();

  run(name: string, args: Arguments): Reply {
    const command = commands[name.toUpperCase()];
    if (command === undefined) throw new Error(`ERR the simulation does not know ${name}`);
    return command(this, args);
  }

  /** All keys with what they hold, for comparisons. */
  contents(): Record<string, unknown> {
    const entries = [...this.#keys].map(([key, value]) => [
      key,
      typeof value === 'string' ? value : Object.fromEntries([...value].sort()),
    ]);
    return Object.fromEntries(entries) as Record<string, unknown>;
  }

  hash(key: string): Map<string, string> {
    const value = this.#keys.get(key);
    if (typeof value === 'string') throw new Error('WRONGTYPE');
    return value ?? new Map<string, string>();
  }

  keep(key: string, value: Value): void {
    if (typeof value !== 'string' && value.size === 0) this.#keys.delete(key);
    else this.#keys.set(key, value);
  }

  rename(from: string, to: string): void {
    const value = this.#keys.get(from);
    if (value === undefined) throw new Error('ERR no such key');
    this.#keys.delete(from);
    this.#keys.set(to, value);
  }

  text(key: string): string | null {
    const value = this.#keys.get(key);
    if (value instanceof Map) throw new Error('WRONGTYPE');
    return value ?? null;
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  remove(key: string): boolean {
    return this.#keys.delete(key);
  }
}

export const writes: ReadonlySet<string> = new Set([
  'DEL',
  'HDEL',
  'HINCRBY',
  'HSET',
  'RENAME',
  'SET',
  'UNLINK',
  'ZADD',
  'ZREM',
]);

const first = (args: Arguments) => args[0] ?? '';

function removeKeys(data: RedisData, keys: Arguments): number {
  return keys.filter((key) => data.remove(key)).length;
}

function setFields(data: RedisData, [key = '', ...pairs]: Arguments): number {
  if (pairs.length === 0 || pairs.length % 2 !== 0) {
    throw new Error("ERR wrong number of arguments for 'hset' command");
  }
  const hash = data.hash(key);
  const before = hash.size;
  for (let at = 0; at < pairs.length; at += 2) hash.set(pairs[at] ?? '', pairs[at + 1] ?? '');
  data.keep(key, hash);
  return hash.size - before;
}

/** A ZSET is a HASH of scores here; nobody asks for its order. */
function addScores(data: RedisData, [key = '', ...rest]: Arguments): number {
  const flagCount = rest.findIndex((word) => !zaddFlags.has(word));
  const flags = new Set(rest.slice(0, flagCount));
  const pairs = rest.slice(flagCount);
  const scores = data.hash(key);
  let [added, changed] = [0, 0];
  for (let at = 0; at < pairs.length; at += 2) {
    const [score, member] = [Number(pairs[at]), pairs[at + 1] ?? ''];
    const known = scores.get(member);
    if (known !== undefined && !isBetter(score, Number(known), flags)) continue;
    if (known === undefined) added += 1;
    changed += 1;
    scores.set(member, String(score));
  }
  data.keep(key, scores);
  return flags.has('CH') ? changed : added;
}

const zaddFlags: ReadonlySet<string> = new Set(['LT', 'GT', 'CH']);

function isBetter(score: number, known: number, flags: ReadonlySet<string>): boolean {
  if (flags.has('LT')) return score < known;
  return flags.has('GT') ? score > known : score !== known;
}

function removeFields(data: RedisData, [key = '', ...fields]: Arguments): number {
  const hash = data.hash(key);
  const removed = fields.filter((field) => hash.delete(field)).length;
  data.keep(key, hash);
  return removed;
}

const commands: Readonly<Record<string, (data: RedisData, args: Arguments) => Reply>> = {
  DEL: removeKeys,
  UNLINK: removeKeys,
  EXISTS: (data, keys) => keys.filter((key) => data.has(key)).length,
  // Longer than any schedule.
  EXPIREAT: (data, args) => (data.has(first(args)) ? 1 : 0),
  EXPIRE: (data, args) => (data.has(first(args)) ? 1 : 0),
  PEXPIRE: (data, args) => (data.has(first(args)) ? 1 : 0),
  PERSIST: () => 0,
  PING: () => 'PONG',
  GET: (data, args) => data.text(first(args)),
  MGET: (data, keys) => keys.map((key) => data.text(key)),
  SET: (data, [key = '', value = '']) => {
    data.keep(key, value);
    return 'OK';
  },
  HSET: setFields,
  HDEL: removeFields,
  HINCRBY: (data, [key = '', field = '', by = '0']) => {
    const next = Number(data.hash(key).get(field) ?? 0) + Number(by);
    setFields(data, [key, field, String(next)]);
    return next;
  },
  RENAME: (data, [from = '', to = '']) => {
    data.rename(from, to);
    return 'OK';
  },
  HGET: (data, [key = '', field = '']) => data.hash(key).get(field) ?? null,
  HMGET: (data, [key = '', ...fields]) => {
    const hash = data.hash(key);
    return fields.map((field) => hash.get(field) ?? null);
  },
  HGETALL: (data, args) => [...data.hash(first(args))].flat(),
  HKEYS: (data, args) => [...data.hash(first(args)).keys()],
  HVALS: (data, args) => [...data.hash(first(args)).values()],
  HLEN: (data, args) => data.hash(first(args)).size,
  HEXISTS: (data, [key = '', field = '']) => (data.hash(key).has(field) ? 1 : 0),
  ZADD: addScores,
  ZREM: removeFields,
  ZCARD: (data, args) => data.hash(first(args)).size,
  ZSCORE: (data, [key = '', member = '']) => data.hash(key).get(member) ?? null,
  // Boards in the simulation never have too many members.
  ZREMRANGEBYRANK: () => 0,
};
