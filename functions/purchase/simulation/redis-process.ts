// One Redis process: its data, its identity and its clock, and what was written in the order of the
// calls. What one call wrote is kept or lost as a whole.

import { createHash } from 'node:crypto';
import type { LuaEngine, RunCommand } from './lua-engine.ts';
import { RedisData, type Reply, writes } from './redis-data.ts';

type Write = readonly [name: string, args: readonly string[]];

export interface RunOptions {
  readonly epochMs: number;
  readonly lua: LuaEngine;
  /** What a test changed in a script, to see what it is good for. */
  readonly mutate: (script: string) => string;
}

export class RedisProcess {
  readonly data = new RedisData();
  readonly written: (readonly Write[])[] = [];
  /** By their digest. */
  readonly #scripts = new Map<string, string>();
  readonly runId: string;
  readonly replid: string;
  /** Its clock may be set, also back. */
  clockOffsetMs = 0;

  constructor(
    { runId, replid }: { runId: string; replid: string },
    history: readonly (readonly Write[])[] = [],
  ) {
    this.runId = runId;
    this.replid = replid;
    for (const group of history) this.#write(group);
  }

  forget(keys: readonly string[]): void {
    this.#write(keys.map((key) => ['DEL', [key]]));
  }

  /** Runs one command, in the form in which ioredis' callers get the answer. */
  run(name: string, args: readonly string[], { epochMs, lua, mutate }: RunOptions): unknown {
    const reply = this.#atOnce(epochMs, (command) => {
      if (name !== 'evalsha' && name !== 'eval') return command(name, args);
      const [script = '', count = '0', ...rest] = args;
      if (name === 'eval') {
        this.#scripts.set(createHash('sha1').update(script).digest('hex'), script);
      }
      const source = name === 'eval' ? script : this.#scripts.get(script);
      if (source === undefined) throw new Error('NOSCRIPT No matching script.');
      const keys = rest.slice(0, Number(count));
      return lua.run(mutate(source), keys, rest.slice(Number(count)), command);
    });
    return shapeOf(name, reply);
  }

  /** One call, which may be a script of many commands. */
  #atOnce(epochMs: number, run: (command: RunCommand) => Reply): Reply {
    const group: Write[] = [];
    try {
      return run((given, args) => {
        const name = given.toUpperCase();
        if (name === 'TIME') return this.#timeAt(epochMs);
        if (name === 'INFO') return this.#info(args[0]);
        const reply = this.data.run(name, args);
        if (writes.has(name)) group.push([name, args]);
        return reply;
      });
    } finally {
      if (group.length > 0) this.written.push(group);
    }
  }

  #write(group: readonly Write[]): void {
    for (const [name, args] of group) this.data.run(name, args);
    this.written.push(group);
  }

  #timeAt(epochMs: number): Reply {
    const us = Math.floor((epochMs + this.clockOffsetMs) * 1_000);
    return [String(Math.floor(us / 1_000_000)), String(us % 1_000_000)];
  }

  #info(section: string | undefined): Reply {
    return section === 'server'
      ? `# Server\r\nrun_id:${this.runId}\r\n`
      : `# Replication\r\nmaster_replid:${this.replid}\r\n`;
  }
}

/** HGETALL comes as an object to ioredis' callers. */
function shapeOf(name: string, reply: Reply): unknown {
  if (name !== 'hgetall' || !Array.isArray(reply)) return reply;
  const pairs: [Reply, Reply][] = [];
  for (let at = 0; at < reply.length; at += 2) pairs.push([reply[at] ?? '', reply[at + 1] ?? '']);
  return Object.fromEntries(pairs);
}
