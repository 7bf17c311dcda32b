// The command as a whole, on a local runtime whose instances a test plays.

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { identityOf } from '#knative/local/process-identity.ts';
import { readState, writeState } from '#knative/local/state.ts';
import { runCli } from '../cli.ts';
import type { Terminal } from '../command.ts';
import { functionNames } from './look.ts';
import { aStanding } from './looks-fixture.ts';
import type { Status } from './status-document.ts';

let folder: string;
let server: Server;
let answers: (path: string) => string | undefined;
let accepted: number;
const asked = new Set<string>();

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'seckill-status-'));
  accepted = 0;
  asked.clear();
  answers = (path) => {
    if (path === '/standing') return JSON.stringify(aStanding());
    if (path === '/readyz') return 'ready';
    accepted += 10;
    return `seckill_requests_total{outcome="accepted",result="succeeded"} ${accepted}\n`;
  };
  server = createServer((request, response) => {
    asked.add(`${request.method} ${request.url}`);
    const text = answers(request.url ?? '');
    response.writeHead(text === undefined ? 503 : 200).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const processes = functionNames.map((name) => {
    return { ...{ name, kind: name, index: 1, folder }, ...{ port, metricsPort: port } };
  });
  const { pid } = process;
  const env = { SECKILL_URL: 'http://127.0.0.1:1' };
  const running = { pid, identity: identityOf(pid), env, processes };
  writeState(folder, { ...readState(folder), running });
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

interface Ran {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** Ends it, as Ctrl-C does, once `enough` is printed. */
async function run(
  args: readonly string[],
  {
    enough,
    terminal,
    env = {},
  }: {
    enough?: (out: string) => boolean;
    terminal?: Terminal;
    env?: Record<string, string>;
  } = {},
): Promise<Ran> {
  const end = new AbortController();
  let [out, err] = ['', ''];
  const status = await runCli(args, {
    env: { SECKILL_STATE_DIR: folder, HOME: folder, ...env },
    out(text) {
      out += text;
      if (enough?.(out) === true) end.abort();
    },
    err(text) {
      err += text;
    },
    interrupted: end.signal,
    terminal,
  });
  return { status, out, err };
}

const lines = (out: string) => out.split('\n').length - 1;
const fast = ['--interval', '500ms'];

test('a look at a glance is a screen, or one document, and asks nothing but to read', async () => {
  const { status, out } = await run(['status', ...fast]);
  expect(status).toBe(0);
  expect(out).toContain('the local runtime in');
  expect(out).toMatch(/^phone {3}open +400 +1,000/m);
  expect(out).not.toContain('\x1b');
  const json = await run(['status', 'phone', '-o', 'json', ...fast]);
  const document = JSON.parse(json.out) as Status;
  expect(document).toMatchObject({ asleep: false, alarms: [], standingAt: aStanding().at });
  expect(document.counted.accepted).toBeGreaterThan(0);
  expect(document.perSecond.accepted).toBeGreaterThan(0);
  expect(asked).toEqual(new Set(['GET /metrics', 'GET /readyz', 'GET /standing']));
});

test('a watch is a line per look, ended by Ctrl-C with what was seen', async () => {
  const { status, out, err } = await run(['status', '--watch', ...fast], {
    enough: (text) => lines(text) === 3,
  });
  expect(status).toBe(130);
  expect(lines(out)).toBe(3);
  expect(out).toMatch(/accepted \d+\/s .* phone 400 of 1,000 left {2}ready 1\/1 1\/1 1\/1 1\/1/);
  expect(err).toMatch(/^kn-seckill: ended by you after \d+ s?.*: \d+ purchases accepted, 0 rows$/m);
});

test('-o json is a document per look', async () => {
  const { out } = await run(['status', '-w', '-o', 'json', ...fast], {
    enough: (text) => lines(text) === 2,
  });
  const documents = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Status);
  expect(documents).toHaveLength(2);
  expect(documents[1]?.counted.accepted).toBeGreaterThan(documents[0]?.counted.accepted ?? 0);
});

const terminal: Terminal = {
  columns: () => 60,
  rows: () => 12,
  hasColors: true,
  onResize: () => () => undefined,
};

test('on a terminal it is drawn in place, within its size; NO_COLOR has no colours', async () => {
  const frames = (out: string) => out.split('\x1b[H').slice(1);
  const colours = /\x1b\[[\d;]*m/; // biome-ignore lint: that is what is looked for
  const enough = (out: string) => frames(out).length === 2;
  const { out } = await run(['status', '-w', ...fast], { enough, terminal });
  expect(frames(out)[0]?.split('\r\n').length).toBeLessThanOrEqual(12);
  expect(out).toMatch(colours);
  expect(out.startsWith('\x1b[?1049h\x1b[?25l')).toBe(true);
  const given = out.indexOf('\x1b[?25h\x1b[?1049l');
  expect(out.slice(given)).toContain('the local runtime in');
  const env = { NO_COLOR: '1' };
  const plain = await run(['status', '-w', ...fast], { enough, terminal, env });
  expect(plain.out).not.toMatch(colours);
});

test('a runtime that goes in the middle is watched on', async () => {
  let looks = 0;
  const before = answers;
  answers = (path) => {
    if (path === '/readyz') looks += 1;
    return looks > 4 && looks <= 12 ? undefined : before(path);
  };
  const { out } = await run(['status', '-w', ...fast], { enough: (text) => lines(text) === 4 });
  expect(out).toMatch(/asleep|ready 0\/1/);
  expect(out.trimEnd().split('\n').at(-1)).toContain('ready 1/1');
});

test('where nothing is known it says what can be named, and an interval has a least', async () => {
  const env = { SECKILL_URL: 'https://shop.example' };
  const unknown = await run(['status'], { env });
  expect(unknown).toMatchObject({ status: 1, out: '' });
  expect(unknown.err).toMatch(/no system can be looked at: start one here .* --context/);
  expect((await run(['status', '--interval', '10ms'])).status).toBe(64);
});
