// `reconcile`, and `sale warm` of many, against a fake of the edge.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Reconciliation } from '#lib/reconcile/report.ts';
import { runCli } from './cli.ts';
import { type FakeEdge, fakeKey, startFakeEdge } from './fake-edge.ts';

let edge: FakeEdge;
beforeEach(async () => {
  edge = await startFakeEdge();
});
afterEach(async () => {
  await edge.close();
  expect(edge.faults).toEqual([]);
});

async function run(...args: readonly string[]) {
  let out = '';
  let err = '';
  const status = await runCli(args, {
    env: { SECKILL_URL: edge.url, SECKILL_JWT_KEY: fakeKey, SECKILL_OPERATOR: 'olga' },
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    interrupted: new AbortController().signal,
  });
  return { status, out, err };
}

const well: Reconciliation = {
  ...{ productId: 'phone', ok: true, oversold: 0, lost: 0, deep: true, dryRun: false },
  ...{ generation: 1, orders: 50, rows: 50, lag: { 'persist-order': 0, 'update-rank': 0 } },
  ...{ differences: [], warnings: [], waiting: [] },
};
const boards = {
  code: 'boards',
  count: 3,
  found: 'the boards are wrong',
  repair: 'restore',
} as const;
const route = 'POST /operator/sales/phone/reconcile';

describe('reconcile', () => {
  test('exits 0 where all stores agree', async () => {
    edge.on(route, { json: well });
    const { status, out } = await run('reconcile', 'phone');
    expect(status).toBe(0);
    expect(out).toContain('phone: all stores agree');
    expect(out).toMatch(/orders +50\n/);
  });

  test('exits 0 where all was repaired, and tells what', async () => {
    edge.on(route, { json: { ...well, differences: [{ ...boards, repaired: true }] } });
    const { status, out } = await run('reconcile', 'phone');
    expect(status).toBe(0);
    expect(out).toContain('boards: the boards are wrong (repaired: restore)');
  });

  test('a dry run asks for one, and exits 1 where something differs', async () => {
    const differences = [{ ...boards, repaired: false }];
    edge.on(`${route}?dryRun`, { json: { ...well, ok: false, dryRun: true, differences } });
    const { status, out, err } = await run('reconcile', 'phone', '--dry-run');
    expect(status).toBe(1);
    expect(out).toContain('(needs: restore)');
    expect(err).toBe('kn-seckill: 1 differences of phone stand\n');
  });

  test.each([{ oversold: 1 }, { lost: 2 }])(
    'exits 1 where a promise is broken: %o',
    async (broken) => {
      edge.on(route, { json: { ...well, ok: false, waiting: ['x'], ...broken } });
      const { status, err } = await run('reconcile', 'phone');
      expect(status).toBe(1);
      expect(err).toContain('a promise about phone is broken');
    },
  );

  test('exits 2 while orders are on their way', async () => {
    edge.on(route, { json: { ...well, ok: false, waiting: ['3 events wait for persist-order'] } });
    const { status, err } = await run('reconcile', 'phone');
    expect(status).toBe(2);
    expect(err).toContain('could not tell: 3 events wait for persist-order');
  });

  test('exits 2 where the system is away, in JSON too', async () => {
    edge.on(route, { status: 502, text: 'a gateway’s page' });
    const { status, out } = await run('reconcile', 'phone', '-o', 'json');
    expect(status).toBe(2);
    expect(JSON.parse(out)).toMatchObject({ ok: false });
  });

  test('exits 1 where there is no such sale', async () => {
    edge.on(route, { problem: 'unknown_product' });
    expect(await run('reconcile', 'phone')).toMatchObject({ status: 1 });
  });

  test('prints the whole report as JSON', async () => {
    edge.on(route, { json: well });
    const { out } = await run('reconcile', 'phone', '-o', 'json');
    expect(JSON.parse(out)).toEqual(well);
  });
});

describe('sale warm of many', () => {
  const warmRoute = 'POST /operator/sales/warm';
  const loaded = (productId: string) => ({ productId, result: 'loaded' });

  test('names each sale’s own result, and exits 1 where one failed', async () => {
    const failed = { productId: 'lamp', result: 'failed', reason: 'no such product' };
    edge.on(warmRoute, { json: { sales: [loaded('phone'), failed] } });
    const { status, out, err } = await run('sale', 'warm', 'phone', 'lamp');
    expect(status).toBe(1);
    expect(out).toMatch(/phone +loaded\nlamp +failed: no such product\n/);
    expect(err).toContain('1 of 2 sales were not loaded');
    expect(edge.asked[0]?.body).toEqual({ productIds: ['phone', 'lamp'] });
  });

  test('--all loads what has not ended, some at a time, and tells how far it is', async () => {
    const names = Array.from({ length: 30 }, (_, at) => `p${at}`);
    const sales = [...names, 'over'].map((productId) => ({
      ...{ productId, state: productId === 'over' ? 'ended' : 'scheduled' },
    }));
    edge.on('GET /operator/sales', { json: { sales } });
    const answers = [names.slice(0, 25), names.slice(25)].map((some) => ({
      json: { sales: some.map(loaded) },
    }));
    edge.on(warmRoute, ...answers);
    const { status, out, err } = await run('sale', 'warm', '--all', '-o', 'json');
    expect(status).toBe(0);
    expect(JSON.parse(out)).toEqual(names.map(loaded));
    expect(err).toBe('25 of 30 sales\n30 of 30 sales\n');
  });

  test.each([[[]], [['phone', '--all']]])('needs products or --all, not both: %j', async (args) => {
    expect(await run('sale', 'warm', ...args)).toMatchObject({ status: 64 });
    expect(edge.asked).toEqual([]);
  });
});
