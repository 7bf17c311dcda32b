// One Redis process: its data, its identity and its clock, and what was written in the order of the
// calls. What one call wrote is kept or lost as a whole.

import type { RunCommand } from './lua-engine.ts';
import { RedisData, type Reply, writes } from './redis-data.ts';

type Write = readonly [name: string, args: readonly string[]];

export class RedisProcess {
  readonly data = new RedisData();
  readonly written: (readonly Write[])[] = [];
  /** By their digest. */
  readonly scripts = new Map<string, string>();
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

  /** Runs one call, which may be a script of many commands. */
  atOnce(epochMs: number, run: (command: RunCommand) => Reply): Reply {
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
