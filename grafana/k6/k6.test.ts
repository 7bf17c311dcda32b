import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { assertRunsTypeScript, findK6, scriptOf } from './k6.ts';
import { planOf, scenarioNames } from './plans.ts';
import type { RunFile } from './run-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'k6-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function programThatSays(text: string): string {
  const program = join(folder, 'k6');
  writeFileSync(program, `#!/bin/sh\necho '${text}'\n`);
  chmodSync(program, 0o755);
  return program;
}

test('it is found where Go has put it', () => {
  const program = programThatSays('k6 v1.8.1 (go1.26.8, linux/amd64)');
  vi.stubEnv('PATH', '/nowhere');
  expect(findK6({ GOBIN: folder, GOPATH: '/nowhere' })).toBe(program);
  expect(findK6({ GOPATH: '/nowhere' })).toBeUndefined();
  vi.unstubAllEnvs();
});

test('one that cannot run the scripts is refused', async () => {
  await expect(assertRunsTypeScript(programThatSays('k6 v1.0.0'))).resolves.toBeUndefined();
  await expect(assertRunsTypeScript(programThatSays('k6 v0.57.0'))).rejects.toThrow('too old');
});

const k6 = findK6(process.env);

describe.skipIf(k6 === undefined)('with k6', () => {
  test.each(scenarioNames)('%s is a script that k6 takes', (name) => {
    const { load } = planOf(name);
    const run: RunFile = {
      ...{ url: 'http://127.0.0.1:1', products: ['phone'], load },
      ...{ tokensFile: join(folder, 'tokens'), summaryFile: join(folder, 'summary.json') },
    };
    writeFileSync(run.tokensFile, 'ann token\n');
    const runFile = join(folder, 'run.json');
    writeFileSync(runFile, JSON.stringify(run));
    const said = execFileSync(k6 ?? '', ['inspect', '--env', `RUN=${runFile}`, scriptOf(name)]);
    const { scenarios } = JSON.parse(said.toString()) as { scenarios: object };
    expect(JSON.stringify(scenarios)).toContain(String(load.virtualUsers));
  });
});
