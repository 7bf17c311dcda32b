// A small disk of its own for each store, which may be full. Made of memory, in mounts that only
// we see.

import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram } from '../../stores/programs.ts';
import type { StoreName } from '../../stores/store.ts';

const run = promisify(execFile);
const sizeBytes = 2 * 1_024 ** 3;
const pageBytes = 4_096;

export interface Disks {
  /** From now on not one more byte fits; resolves with what makes room again. */
  fill(name: string): Promise<() => Promise<void>>;
  /** Takes them away, with all that is on them; who still uses one keeps it. */
  remove(): Promise<void>;
}

export interface DiskPlace {
  /** Of the process. */
  readonly name: string;
  readonly kind: StoreName;
  readonly folder: string;
}

/** Where a store's data is; some make that folder themselves, in one that is there. */
function mountPoint({ kind, folder }: DiskPlace): string {
  return kind === 'mysql' || kind === 'kafka' ? folder : join(folder, 'data');
}

/** To be called before the stores have stored anything. */
export async function mountDisks(places: readonly DiskPlace[]): Promise<Disks> {
  const points = new Map(places.map((place) => [place.name, mountPoint(place)]));
  for (const point of points.values()) {
    mkdirSync(point, { recursive: true });
    await mount(['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'seckill', point]);
  }
  return {
    async fill(name) {
      const point = points.get(name);
      if (point === undefined) throw new Error(`${name} has no disk of its own`);
      const { blocks, bfree, bsize } = await statfs(point);
      const used = (blocks - bfree) * bsize;
      await resize(point, Math.max(used, pageBytes));
      return () => resize(point, sizeBytes);
    },
    async remove() {
      for (const point of points.values()) await run(findProgram('umount'), ['--lazy', point]);
    },
  };
}

function resize(point: string, bytes: number): Promise<void> {
  return mount(['-o', `remount,size=${bytes}`, point]);
}

async function mount(args: readonly string[]): Promise<void> {
  await run(findProgram('mount'), args);
}
