import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { identityOf } from './process-identity.ts';
import { readState, runningIn, stateFolder, takeLock, writeState } from './state.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'seckill-state-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const noteInLock = (note: object) => {
  writeFileSync(join(folder, 'lock'), JSON.stringify(note));
};

test('a second start finds the keys and ports of the first', () => {
  const first = readState(folder);
  writeState(folder, { ...first, ports: { redis: 20_001 } });
  expect(readState(folder)).toEqual({ ...first, ports: { redis: 20_001 } });
});

test('every folder has keys of its own, long enough for the functions', () => {
  const keys = [readState(folder), readState(folder)].flatMap(({ secrets }) =>
    Object.values(secrets as unknown as Record<string, string>),
  );
  expect(new Set(keys).size).toBe(8);
  expect(Math.min(...keys.map((key) => key.length))).toBeGreaterThanOrEqual(32);
});

test('only its owner may read the state', () => {
  writeState(folder, readState(folder));
  expect(statSync(join(folder, 'state.json')).mode & 0o777).toBe(0o600);
});

test('one runtime at a time works in a folder', () => {
  const { release } = takeLock(folder);
  expect(runningIn(folder)?.pid).toBe(process.pid);
  expect(() => takeLock(folder)).toThrow(new RegExp(`already at work in .*pid ${process.pid}`));
  release();
  expect(runningIn(folder)).toBeUndefined();
  takeLock(folder).release();
});

test('the lock of a runtime that died is taken over', async () => {
  const dead = spawn('true');
  await once(dead, 'exit');
  noteInLock({ pid: dead.pid, identity: 'gone' });
  expect(runningIn(folder)).toBeUndefined();
  const { release } = takeLock(folder);
  expect(JSON.parse(readFileSync(join(folder, 'lock'), 'utf8'))).toEqual({
    pid: process.pid,
    identity: identityOf(process.pid),
  });
  release();
});

test('a pid that another process has by now is not the runtime that had it', () => {
  noteInLock({ pid: process.pid, identity: 'an earlier boot:1' });
  expect(runningIn(folder)).toBeUndefined();
  takeLock(folder).release();
});

test('the folder is .seckill in the checkout unless the environment names another', () => {
  expect(stateFolder('')).toMatch(/\/\.seckill$/);
  expect(stateFolder('/elsewhere/state')).toBe('/elsewhere/state');
});
