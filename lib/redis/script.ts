// Lua scripts, one file each, named `verb-<number of keys>.lua` and read from beside the code: the
// build copies them beside the bundle, where `import.meta.dirname` points too.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RedisClient } from './connect.ts';

export interface Script {
  /**
   * Runs the script by its digest, and sends it whole once where Redis does not know it yet.
   * A time-out or a lost connection leaves open whether it ran: scripts are made to be repeated.
   */
  run(
    redis: RedisClient,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown>;
}

/** Reads `<directory>/<name>-<keys>.lua`; `-n` for a script that takes one key or more. */
export function loadScript(directory: string, file: string): Script {
  const named = /-(\d+|n)\.lua$/.exec(file)?.[1];
  if (named === undefined) throw new Error(`${file} does not say how many keys it takes`);
  const source = readFileSync(join(directory, file), 'utf8');
  const digest = createHash('sha1').update(source).digest('hex');
  return {
    async run(redis, keys, args) {
      const keyCount = named === 'n' ? keys.length : Number(named);
      if (keys.length !== keyCount) throw new Error(`${file} takes ${keyCount} keys`);
      try {
        return await redis.evalsha(digest, keyCount, ...keys, ...args);
      } catch (error) {
        const unknownScript = error instanceof Error && error.message.startsWith('NOSCRIPT');
        if (!unknownScript) throw error;
        return redis.eval(source, keyCount, ...keys, ...args);
      }
    },
  };
}
