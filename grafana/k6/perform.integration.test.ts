// A run on the whole running system, with a stand-in for k6 that sends the same requests and keeps
// the same log: what is prepared, settled, verified and compared is real.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openShop } from '#knative/e2e/shop.ts';
import { startTestRuntime, type TestRuntime } from '#lib/testing/runtime.ts';
import type { Play, Played, RunFolder } from './k6.ts';
import { type Deps, perform } from './perform.ts';
import { type Plan, planOf } from './plans.ts';
import type { AnswerLine, RunFile } from './run-file.ts';

let system: TestRuntime;

beforeAll(async () => {
  system = await startTestRuntime();
}, 120_000);

afterAll(async () => {
  await system.stop();
}, 60_000);

async function ask(run: RunFile, productId: string, line: string): Promise<AnswerLine> {
  const [userId = '', token = ''] = line.split(' ');
  const key = 'the-only-order';
  const startedAtMs = Date.now();
  const response = await fetch(`${run.url}/api/products/${productId}/purchase`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'idempotency-key': key,
      'content-type': 'application/json',
    },
    body: '{"quantity":1}',
    signal: AbortSignal.timeout(12_000),
  });
  const { orderId = '', outcome = 'accepted' } = (await response.json()) as Partial<AnswerLine>;
  const atMs = Date.now();
  const { status } = response;
  return { atMs, tookMs: atMs - startedAtMs, status, outcome, productId, userId, key, orderId };
}

/** All purchases of the plan, as fast as they are answered. */
async function playAll({ runFile }: RunFolder): Promise<Played> {
  const run = JSON.parse(readFileSync(runFile, 'utf8')) as RunFile;
  const buyers = readFileSync(run.tokensFile, 'utf8').trim().split('\n');
  const { perSecond, seconds } = run.load;
  const answers = await Promise.all(
    buyers.slice(0, perSecond * seconds).map((line, index) => {
      return ask(run, run.products[index % run.products.length] ?? '', line);
    }),
  );
  const counted = { values: { count: answers.length } };
  return { answers, summary: { metrics: { answers: counted, iterations: counted } } };
}

let runs = 0;

async function rehearse(plan: Plan, play: Play) {
  runs += 1;
  const run = `load-${runs}`;
  const tidyUps: (() => Promise<void>)[] = [];
  const deps: Deps = {
    ...{ url: system.url, run, folder: join(String(system.env['SECKILL_STATE_DIR']), run), play },
    shop: await openShop({ env: system.env, args: [], run, onTold: () => undefined }),
    say: () => undefined,
    atTheEnd: (tidyUp) => tidyUps.push(tidyUp),
  };
  const performed = await perform(plan, deps).catch((error: unknown) => error as Error);
  for (const tidyUp of tidyUps.reverse()) await tidyUp();
  expect(existsSync(join(deps.folder, 'tokens')), 'tokens are left behind').toBe(false);
  return performed;
}

const small = planOf('three-nodes', { perSecond: 30, seconds: 5 });

test('what clients were told is what is in MySQL, and the sale ends closed and without limits', async () => {
  const report = await rehearse(small, (_, folder) => playAll(folder));
  if (report instanceof Error) throw report;
  const { figures, checks } = report;
  expect(checks.filter(({ ok, kind }) => !ok && kind === 'promise')).toEqual([]);
  expect(figures).toMatchObject({ requests: 150, purchases: 150, unserved: 0, unexpected: 0 });
  const { accepted, rows, limited, soldOut } = figures;
  expect(accepted + limited + soldOut).toBe(150);
  expect(rows).toBe(accepted);
  // They all came at once: the bucket's capacity, and what it got meanwhile.
  expect(limited).toBeGreaterThan(0);
  const sale = await system.cli('sale', 'show', 'load-1-phone', '-o', 'json');
  expect(JSON.parse(sale.stdout)).toMatchObject({ state: 'ended', sold: rows });
  const limits = await system.cli('limits', 'get', '-o', 'json');
  expect((JSON.parse(limits.stdout) as { products: object }).products).toEqual({});
});

test('an acceptance that no row stands for, and a row that no client was told of, are seen', async () => {
  const report = await rehearse(small, async (_, folder) => {
    const { answers, summary } = await playAll(folder);
    const [first, ...others] = answers.filter(({ status }) => status === 202);
    if (first === undefined) throw new Error('nobody bought anything');
    const made = { ...first, userId: 'nobody', orderId: 'load-2-phone.0000000000000000000000' };
    return { answers: [made, ...others], summary };
  });
  if (report instanceof Error) throw report;
  expect(report.ok).toBe(false);
  const failed = report.checks.filter(({ ok, kind }) => !ok && kind === 'promise');
  expect(failed.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['every acceptance is a row, every row was told']),
  );
  expect(JSON.stringify(failed)).toContain('1 accepted orders are no row');
});

test('a load that fails leaves no open sale behind', async () => {
  const failed = await rehearse(small, () => Promise.reject(new Error('k6 failed')));
  expect(failed).toMatchObject({ message: 'k6 failed' });
  const sale = await system.cli('sale', 'show', 'load-3-phone', '-o', 'json');
  expect(JSON.parse(sale.stdout)).toMatchObject({ state: 'ended' });
});
