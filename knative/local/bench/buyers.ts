// The crowd: tokens signed beforehand, one per user, in a file that wrk reads. Nobody comes twice
// before everybody has come once, and they are more than the edge remembers tokens: each request
// costs its signature check, here and in the reference.

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { tokenOf } from './operate.ts';
import type { System } from './system.ts';
import { type LoadResult, runWrk } from './wrk.ts';

const buyersCount = 250_000;
const linesPerWrite = 1_000;

export interface Buyers {
  /** Lets the crowd buy at `url`, each product in its turn. */
  buy(url: string, products: readonly string[], how: HowLong): Promise<LoadResult>;
}

export interface HowLong {
  readonly connections: number;
  readonly seconds: number;
}

/** Signs the tokens, which takes some seconds. */
export async function createBuyers(system: System): Promise<Buyers> {
  const file = join(system.folder, 'tokens');
  await writeTokens(system, file, buyersCount);
  const nextAt = new Map<string, number>();
  let runs = 0;
  return {
    async buy(url, products, { connections, seconds }) {
      runs += 1;
      const first = nextAt.get(url) ?? 0;
      const args = [file, String(buyersCount), String(first), `bench-${runs}-`, ...products];
      const load = { url, script: 'purchases.lua', args, connections, seconds };
      const result = await runWrk(system.folder, load);
      // What was under way at the end had its buyers, too.
      nextAt.set(url, (first + result.requests + connections + 1) % buyersCount);
      return result;
    },
  };
}

/** Writes a token for each of so many buyers, one a line. */
export async function writeTokens(system: System, file: string, count: number): Promise<void> {
  const stream = createWriteStream(file, { mode: 0o600 });
  for (let first = 0; first < count; first += linesPerWrite) {
    const lines = Array.from({ length: linesPerWrite }, (_, place) => {
      // Equally long names make equally long lines, among which wrk can seek.
      const userId = `buyer-${String(first + place).padStart(6, '0')}`;
      return `${tokenOf(system, userId)}\n`;
    });
    if (!stream.write(lines.join(''))) await once(stream, 'drain');
  }
  stream.end();
  await finished(stream);
}
