import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { endLeftover, startProcess } from './process.ts';
import { identityOf } from './process-identity.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'seckill-process-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const logFile = () => join(folder, 'log');
const start = (script: string, graceMs = 5_000) =>
  startProcess({ name: 'it', command: 'sh', args: ['-c', script], logFile: logFile(), graceMs });

/** A parent that starts one child, prints its pid, and is then killed with -9. */
async function killParentOf(script: string, graceMs: number): Promise<number> {
  const parent = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { startProcess } from ${JSON.stringify(join(import.meta.dirname, 'process.ts'))};
       const child = await startProcess({ name: 'it', command: 'sh',
         args: ['-c', ${JSON.stringify(script)}],
         logFile: ${JSON.stringify(logFile())}, graceMs: ${graceMs} });
       console.log(child.pid);
       setInterval(() => {}, 1000);`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const pid = Number(String(line));
  expect(identityOf(pid)).toBeDefined();
  await vi.waitFor(() => {
    expect(readFileSync(logFile(), 'utf8')).toContain('ready');
  });
  parent.kill('SIGKILL');
  await once(parent, 'exit');
  return pid;
}

test('a child ends by SIGTERM when its parent is killed with -9', async () => {
  const script = 'trap "echo asked; exit 0" TERM; echo ready; while :; do sleep 0.1; done';
  const pid = await killParentOf(script, 5_000);
  await vi.waitFor(() => {
    expect(identityOf(pid)).toBeUndefined();
  }, 4_000);
  expect(readFileSync(logFile(), 'utf8')).toContain('asked');
});

test('a child that ignores SIGTERM is killed after the grace', async () => {
  const pid = await killParentOf('trap "" TERM; echo ready; while :; do sleep 0.1; done', 1_000);
  await vi.waitFor(() => {
    expect(identityOf(pid)).toBeUndefined();
  }, 4_000);
});

test('the pid is the program’s own, and its exit status is passed on', async () => {
  const child = await start('echo pid $$; exit 7');
  expect(await child.exited).toBe(7);
  expect(readFileSync(logFile(), 'utf8')).toBe(`pid ${child.pid}\n`);
});

test('a program killed by its pid shows as ended', async () => {
  const child = await start('exec sleep 60');
  process.kill(child.pid, 'SIGKILL');
  expect(await child.exited).toBe(137);
});

test('a program that does not exist ends with 127 and says so in its log', async () => {
  const child = await startProcess({ name: 'it', command: 'no-such-program', logFile: logFile() });
  expect(await child.exited).toBe(127);
  expect(readFileSync(logFile(), 'utf8')).toContain('no-such-program');
});

test('stop waits for the end, and may be called again', async () => {
  const child = await start(
    'trap "sleep 0.3; exit 3" TERM; echo ready; while :; do sleep 0.1; done',
  );
  await vi.waitFor(() => {
    expect(readFileSync(logFile(), 'utf8')).toContain('ready');
  });
  await child.stop();
  expect(identityOf(child.pid)).toBeUndefined();
  expect(await child.exited).toBe(3);
  await child.stop();
});

test('a leftover is ended only while it still is the noted process', async () => {
  const pidFile = join(folder, 'it.pid');
  const child = await startProcess({
    name: 'it',
    command: 'sleep',
    args: ['60'],
    logFile: logFile(),
    pidFile,
  });
  const noted = readFileSync(pidFile, 'utf8');
  // The same pid, but another process than the one that was noted.
  writeFileSync(pidFile, `${child.pid} an earlier boot:1\n`);
  await endLeftover(pidFile, 0);
  expect(identityOf(child.pid)).toBeDefined();
  writeFileSync(pidFile, noted);
  await endLeftover(pidFile, 0);
  expect(identityOf(child.pid)).toBeUndefined();
  expect(await child.exited).toBe(137);
});

test('who cannot be noted is not left running', async () => {
  const pidFile = join(folder, 'it.pid');
  symlinkSync(join(folder, 'no-such-folder', 'pid'), pidFile);
  const script = 'echo pid $$; exec sleep 60';
  const started = startProcess({
    ...{ name: 'it', command: 'sh', args: ['-c', script], logFile: logFile(), pidFile },
    graceMs: 0,
  });
  await expect(started).rejects.toThrow('ENOENT');
  // It may have been ended before it said so much.
  const pid = await vi
    .waitFor(() => Number(/^pid (\d+)$/m.exec(readFileSync(logFile(), 'utf8'))?.[1] ?? fail()), 500)
    .catch(() => undefined);
  if (pid !== undefined) expect(identityOf(pid)).toBeUndefined();
});

function fail(): never {
  throw new Error('not yet');
}

test('where not even a shell can be run, that is the reason given', async () => {
  const cwd = join(folder, 'no-such-folder');
  const start = startProcess({ name: 'it', command: 'true', cwd, logFile: logFile() });
  await expect(start).rejects.toThrow(/^it could not be started: .*ENOENT/);
});
