import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { crashPoints } from '#lib/crash-point.ts';
import { buildFunctions, functionNames } from './build.ts';

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'seckill-build-'));
  await buildFunctions(join(folder, 'deployed'));
  await buildFunctions(join(folder, 'tested'), { crashPoints: true });
}, 60_000);
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const told = ['SECKILL_CRASH', ...Object.values(crashPoints).flat()];

test.each(functionNames)('%s has no crash points, unless it is built with them', (name) => {
  const inBundle = (variant: string) => {
    const text = readFileSync(join(folder, variant, name, 'main.cjs'), 'utf8');
    return told.filter((word) => text.includes(word));
  };
  expect(inBundle('deployed')).toEqual([]);
  // What is looked for is what there is.
  expect(inBundle('tested')).toEqual(
    expect.arrayContaining(['SECKILL_CRASH', ...crashPoints[name]]),
  );
});
