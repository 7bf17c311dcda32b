// Redis as `lib/redis` offers it: processes with an identity each, clients that talk to one of them,
// and the ways in which a Redis loses what it was told.

import { redisCommandTimeoutMs } from '#lib/constants.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import type { LuaEngine } from './lua-engine.ts';
import type { Network } from './network.ts';
import type { Random } from './random.ts';
import { RedisProcess } from './redis-process.ts';
import { nameOfScript } from './scripts.ts';
import { current, type VirtualTime } from './virtual-time.ts';

interface Options {
  readonly time: VirtualTime;
  readonly network: Network;
  readonly random: Random;
  readonly lua: LuaEngine;
  /** What a test changed in a script, to see what it is good for. */
  readonly mutate: (script: string) => string;
}

export class SimulatedRedis {
  readonly #options: Options;
  readonly #connected = new Set<string>();
  /** Those who have not noticed a fail-over yet, with whom they ask. */
  readonly #left = new Map<string, RedisProcess | 'refuses'>();
  #primary: RedisProcess;

  constructor(options: Options) {
    this.#options = options;
    this.#primary = new RedisProcess({ runId: this.#newId(), replid: this.#newId() });
  }

  /** For the process that is running. */
  connect(): RedisClient {
    const name = current()?.process.name ?? '';
    this.#connected.add(name);
    this.#left.delete(name);
    return clientOf((command, args) => this.#ask(command, args));
  }

  /** The process that new connections reach. */
  primary(): RedisProcess {
    return this.#primary;
  }

  /** Everything is gone, in the same process. */
  flush(): void {
    this.#options.time.note('Redis is flushed');
    this.#primary.forget(Object.keys(this.#primary.data.contents()));
  }

  /** One of the sale's keys is gone, in the same process. */
  loseKey(): void {
    const { time, random } = this.#options;
    const keys = Object.keys(this.#primary.data.contents()).filter((key) => key.includes('{'));
    if (keys.length === 0) return;
    const key = random.pick(keys);
    time.note(`Redis loses ${key}`);
    this.#primary.forget([key]);
  }

  /** A new process that lacks the last writes; all of them where `lost` is not said. */
  restart(lost = Infinity): void {
    const { time, random } = this.#options;
    time.note(`Redis restarts without its last ${lost} writes`);
    // With an RDB preamble the replication id survives.
    this.#replace(lost, random.chance(0.5) ? this.#primary.replid : this.#newId());
    this.#left.clear();
  }

  /**
   * A replica that lacks the last writes takes over. Who was connected stays with the old one until
   * it follows; the old one refuses, or goes on answering as if nothing had happened.
   */
  failOver(lost: number, old: 'refuses' | 'answers'): void {
    this.#options.time.note(`a replica of Redis takes over without the last ${lost} writes`);
    const stay = old === 'answers' ? this.#primary : old;
    for (const name of this.#connected) if (!this.#left.has(name)) this.#left.set(name, stay);
    this.#replace(lost, this.#newId());
  }

  /** The process of that name notices the fail-over. */
  follow(processName: string): void {
    this.#left.delete(processName);
  }

  #newId(): string {
    return this.#options.random.hex(40);
  }

  #replace(lost: number, replid: string): void {
    const { clockOffsetMs, written } = this.#primary;
    const history = written.slice(0, Math.max(0, written.length - lost));
    this.#primary = new RedisProcess({ runId: this.#newId(), replid }, history);
    this.#primary.clockOffsetMs = clockOffsetMs;
  }

  #ask(name: string, args: readonly unknown[]): Promise<unknown> {
    const { process } = current() ?? {};
    const { time, network, lua, mutate } = this.#options;
    const texts = args.flat().map(String);
    return network.call<unknown>('redis', stepOf(name, texts), {
      timeoutMs: redisCommandTimeoutMs,
      channel: `${process?.name} redis`,
      errorOf: (reason) =>
        new Error(reason === 'timeout' ? 'Command timed out' : 'Connection is closed.'),
      serve: () => {
        const server = this.#left.get(process?.name ?? '') ?? this.#primary;
        if (server === 'refuses') throw new Error('CLUSTERDOWN The cluster is down');
        return server.run(name, texts, { epochMs: time.epochMs, lua, mutate });
      },
    });
  }
}

function stepOf(name: string, args: readonly string[]): string {
  return name === 'evalsha' || name === 'eval' ? nameOfScript(args[0] ?? '') : name;
}

/** A client that asks so, whatever the command. */
export function clientOf(
  ask: (name: string, args: readonly unknown[]) => Promise<unknown>,
): RedisClient {
  const client = new Proxy(
    {},
    {
      get: (_, name) =>
        // Not a promise, though it has every method.
        name === 'then' || typeof name === 'symbol'
          ? undefined
          : (...args: unknown[]) => ask(name, args),
    },
  );
  return client as RedisClient;
}
