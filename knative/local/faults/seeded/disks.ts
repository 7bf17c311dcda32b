// A small disk of its own for each store, which may be full. Made of memory, in mounts that only
// we see.

import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { promisify } from 'node:util';
import { findProgram } from '../../stores/programs.ts';

const run = promisify(execFile);
const sizeBytes = 2 * 1_024 ** 3;
const pageBytes = 4_096;
const triesMax = 20;

export interface Disks {
  /** From now on not one more byte fits; resolves with what makes room again. */
  fill(name: string): Promise<() => Promise<void>>;
  /** Takes them away, with all that is on them; who still uses one keeps it. */
  remove(): Promise<void>;
}

/** A process, and the folder of all that is its own. */
export interface DiskPlace {
  readonly name: string;
  readonly folder: string;
}

/** To be called before the stores have stored anything. */
export async function mountDisks(places: readonly DiskPlace[]): Promise<Disks> {
  const points = new Map(places.map(({ name, folder }) => [name, folder]));
  for (const point of points.values()) {
    mkdirSync(point, { recursive: true });
    await mount(['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'seckill', point]);
  }
  return {
    async fill(name) {
      const point = points.get(name);
      if (point === undefined) throw new Error(`${name} has no disk of its own`);
      await shrink(point);
      return () => resize(point, sizeBytes);
    },
    async remove() {
      for (const point of points.values()) await run(findProgram('umount'), ['--lazy', point]);
    },
  };
}

/** To what it holds; again where more was written meanwhile. */
async function shrink(point: string): Promise<void> {
  for (let tried = 1; ; tried += 1) {
    const { blocks, bfree, bsize } = await statfs(point);
    const used = (blocks - bfree) * bsize;
    try {
      await resize(point, Math.max(used, pageBytes));
      return;
    } catch (error) {
      if (tried === triesMax) throw error;
    }
  }
}

function resize(point: string, bytes: number): Promise<void> {
  return mount(['-o', `remount,size=${bytes}`, point]);
}

async function mount(args: readonly string[]): Promise<void> {
  await run(findProgram('mount'), args);
}
