import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
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

test('a program that fails is told with the end of what it said', async () => {
  const log = join(folder, 'log');
  const script = 'for i in $(seq 100); do echo line $i; done; exit 9';
  const failed = runProgram('sh', ['-c', script], log);
  await expect(failed).rejects.toThrow(/status 9.*\n {2}\| line 86\n(.*\n)+ {2}\| line 100$/);
  expect(readFileSync(log, 'utf8')).toContain('line 1\n');
});
