import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ensurePrograms, findProgram, runProgram } from './programs.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'seckill-programs-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

const missing = [
  { program: 'no-such-server', debianPackage: 'such-server' },
  { program: 'no-such-tool', debianPackage: 'such-server' },
];

test('where nothing may be installed, the message says exactly what to install', async () => {
  vi.stubEnv('PATH', folder);
  const log = join(folder, 'log');
  await expect(ensurePrograms(missing, log, vi.fn())).rejects.toThrow(
    /Not installed: no-such-server, no-such-tool\..*\n.*apt-get install .* such-server {3}/,
  );
});

test('nothing is installed when nothing is missing', async () => {
  const say = vi.fn();
  await ensurePrograms([{ program: 'sh', debianPackage: 'dash' }], join(folder, 'log'), say);
  expect(say).not.toHaveBeenCalled();
});

test('a missing program is told by its name', () => {
  expect(() => findProgram('no-such-server')).toThrow('no-such-server is not installed');
});

test('a program that fails is told, and all it said is in its log', async () => {
  const log = join(folder, 'log');
  const failed = runProgram('sh', ['-c', 'echo one; echo two >&2; exit 9'], log);
  await expect(failed).rejects.toThrow('sh failed (status 9)');
  expect(readFileSync(log, 'utf8')).toBe('one\ntwo\n');
});

test('what could not be installed is told with the end of what apt-get said', async () => {
  writeFileSync(join(folder, 'apt-get'), '#!/bin/sh\necho "no such package"; exit 100\n');
  chmodSync(join(folder, 'apt-get'), 0o755);
  // Without privileges nothing would be tried.
  vi.stubEnv('PATH', `${folder}:${process.env.PATH ?? ''}`);
  writeFileSync(join(folder, 'sudo'), '#!/bin/sh\nshift; exec "$@"\n');
  chmodSync(join(folder, 'sudo'), 0o755);
  await expect(ensurePrograms(missing, join(folder, 'log'), vi.fn())).rejects.toThrow(
    /^such-server could not be installed\. .*\n(.*\n)* {2}\| no such package/,
  );
});
