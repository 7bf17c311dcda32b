// A sale of a thousand orders on the whole running system, as a real Prometheus sees it: the
// numbers are those of the buyers and of the stores, also of what no scrape has seen.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { functionNames } from '#knative/local/build.ts';
import { parseExposition } from '#knative/plugin/status/exposition.ts';
import { startTestRuntime, type TestRuntime, until } from '#lib/testing/runtime.ts';
import { boards } from './dashboards/main.ts';
import { allQueries } from './dashboards/panel.ts';
import { strayLabels } from './stray-labels.ts';
import { type Prometheus, startPrometheus } from './testing/prometheus.ts';

const buyers = 1_000;
const stock = 900;

let prometheus: Prometheus;
let system: TestRuntime;
let isStopped = false;
beforeAll(async () => {
  prometheus = await startPrometheus();
  system = await startTestRuntime({
    SECKILL_METRICS_PUSH_URL: prometheus.pushUrl,
    SECKILL_HOT_PRODUCTS: 'console,headset',
  });
  scrapeAll();
}, 300_000);
afterAll(async () => {
  if (!isStopped) await system.stop();
  await prometheus.stop();
}, 90_000);

function scrapeAll(): void {
  prometheus.scrape(
    functionNames.map((name) => ({
      targets: [`127.0.0.1:${system.ports[`${name}:metrics`] ?? 0}`],
      labels: { instance: name },
    })),
  );
}

async function openSale(productId: string, units: number): Promise<void> {
  const create = ['sale', 'create', productId, '--name', productId, '--price', '1999'];
  const created = await system.cli(...create, '--stock', `${units}`, '--limit', '1');
  expect(created, created.stderr).toMatchObject({ status: 0 });
  expect(await system.cli('sale', 'open', productId)).toMatchObject({ status: 0 });
}

async function tokens(prefix: string, count: number): Promise<string[]> {
  const { stdout } = await system.cli('token', '--count', String(count), '--prefix', prefix);
  return stdout.trim().split('\n');
}

/** By outcome, as the buyers were answered. */
const answered = new Map<string, number>();

async function buy(productId: string, token: string, key: string, sent = '{"quantity":1}') {
  const response = await fetch(`${system.url}/api/products/${productId}/purchase`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'idempotency-key': key,
      'content-type': 'application/json',
    },
    body: sent,
  });
  const body = (await response.json()) as { outcome?: string };
  // What was accepted is told by the status alone.
  const outcome = body.outcome ?? (response.status === 202 ? 'accepted' : 'replayed');
  answered.set(outcome, (answered.get(outcome) ?? 0) + 1);
}

/** So many at once, as browsers would not all be. */
async function buyAll(productId: string, all: readonly string[]): Promise<void> {
  const waiting = all.entries();
  const work = async () => {
    for (const [index, token] of waiting) await buy(productId, token, `order-number-${index}`);
  };
  await Promise.all(Array.from({ length: 50 }, work));
}

async function value(query: string): Promise<number | undefined> {
  return (await prometheus.query(query))[0]?.value;
}

/** What the functions have counted in all; exact, since each counts from zero. */
function total(series: string): string {
  return `sum(last_over_time(${series}[1h]))`;
}

/** Resolves when each function has been scraped that was not yet being so now. */
async function aScrapeOfAll(): Promise<void> {
  const sinceSeconds = Date.now() / 1_000;
  await until('a scrape of all functions', 60_000, async () => {
    const count = await value(`count((timestamp(up) > ${sinceSeconds}) and up == 1)`);
    return count === functionNames.length ? true : undefined;
  });
}

async function byOutcome(): Promise<Record<string, number>> {
  const found = await prometheus.query(
    'sum by (outcome) (last_over_time(seckill_requests_total[1h])) > 0',
  );
  return Object.fromEntries(found.map(({ labels, value: count }) => [labels.outcome ?? '', count]));
}

test('a thousand purchases are what buyers were told, and orders what became rows', async () => {
  await openSale('console', stock);
  const crowd = await tokens('buyer-', buyers);
  const [first = ''] = crowd;
  await buyAll('console', crowd);
  await buy('console', first, 'order-number-0');
  // What a stranger may send becomes no label.
  await buy('console', 'no-token', 'order-number-1');
  await buy('console', first, 'order-number-2', '{"quantity":"x{le=\\"9\\"}"}');
  await buy('%22%7D', first, 'order-number-3');
  await buy('invented', first, 'order-number-4');
  const told = Object.fromEntries(answered);
  expect(told).toMatchObject({ accepted: stock, sold_out: buyers - stock, replayed: 1 });

  await until('a scrape after the last answer', 60_000, async () =>
    (await value(total('seckill_requests_total'))) === buyers + 5 ? true : undefined,
  );
  expect(await byOutcome()).toEqual(told);
  const results = await prometheus.query(
    'sum by (result) (last_over_time(seckill_requests_total[1h])) > 0',
  );
  const sum = results.reduce((all, one) => all + one.value, 0);
  expect(sum).toBe(buyers + 5);

  const verified = await until('a settled sale', 60_000, async () => {
    const { status, stdout } = await system.cli('verify', 'console', '-o', 'json');
    return status === 0 ? (JSON.parse(stdout) as { rows: number; sold: number }) : undefined;
  });
  expect(verified).toMatchObject({ rows: stock, sold: stock, oversold: 0, lost: 0, ok: true });
  await aScrapeOfAll();
  expect(await value(total('seckill_accepted_orders_total{class="hot"}'))).toBe(verified.rows);
  expect(await value(total('seckill_accepted_units_total{class="hot"}'))).toBe(verified.sold);
  expect(await value(total('seckill_confirmed_orders_total{class="hot"}'))).toBe(verified.rows);
  const confirmed = total('seckill_persisted_orders_total{result="confirmed"}');
  expect(await value(confirmed)).toBe(verified.rows);
  // Read from the stores, at most once in ten seconds.
  const left = async () => value('max(seckill_left_units{class="hot"})');
  await expect.poll(left, { timeout: 30_000 }).toBe(0);
}, 240_000);

/** As Grafana fills it in for the time of the sale. */
function during(expr: string): string {
  return expr.replaceAll('$__rate_interval', '5m').replaceAll('$__range', '1h');
}

const panels = boards.flatMap(({ sections }) => sections.flatMap((section) => section.panels));

test.each(panels.map((panel) => [panel.title, panel] as const))(
  'the panel "%s" has data, with 0 for what has not happened',
  async (_title, panel) => {
    for (const { expr } of allQueries(panel)) {
      // A store that answered a scrape too late left a gap in it: the next one fills it.
      const count = async () => {
        const found = await prometheus.query(during(expr));
        return found.filter((sample) => Number.isFinite(sample.value)).length;
      };
      await expect.poll(count, { timeout: 30_000, message: expr }).toBeGreaterThan(0);
    }
  },
);

test('the figures of the panels are those of the sale', async () => {
  const [atStake] = boards[0]?.sections ?? [];
  const figures = async (title: string): Promise<Record<string, number>> => {
    const panel = atStake?.panels.find((one) => one.title === title);
    const read = (panel?.queries ?? []).map(async ({ expr, legend }) => {
      const found = await prometheus.query(during(expr));
      const named = legend.replace(/\{\{(\w+)\}\}/, '$1');
      return found.map(({ labels, value: figure }) => [labels[named] ?? named, figure] as const);
    });
    return Object.fromEntries((await Promise.all(read)).flat());
  };
  expect(await figures('Promises broken')).toEqual({ oversold: 0, lost: 0, rejected: 0 });
  expect(await figures('Orders')).toEqual({ accepted: stock, confirmed: stock });
  expect(await figures('Units left')).toMatchObject({ hot: 0 });
});

test('every alert can be evaluated, and what it reads is there', async () => {
  interface Rule {
    readonly name: string;
    readonly health: string;
    readonly query: string;
  }
  const groups = await until('an evaluation of all rules', 60_000, async () => {
    const found = ((await prometheus.api('rules')) as { groups: { rules: Rule[] }[] }).groups;
    return found.flatMap(({ rules }) => rules).some(({ health }) => health === 'unknown')
      ? undefined
      : found;
  });
  const rules = groups.flatMap((group) => group.rules);
  expect(rules.length).toBeGreaterThan(15);
  for (const { name, health, query } of rules) {
    expect(health, name).toBe('ok');
    for (const metric of query.match(/\b(seckill|process)[_:]\w+/g) ?? []) {
      const count = async () => (await value(`count(${metric})`)) ?? 0;
      const message = `${name}: ${metric}`;
      await expect.poll(count, { timeout: 30_000, message }).toBeGreaterThan(0);
    }
  }
}, 90_000);

test('no label of any function has what a request has brought', async () => {
  for (const name of functionNames) {
    const url = `http://127.0.0.1:${system.ports[`${name}:metrics`] ?? 0}/metrics`;
    const text = await (await fetch(url)).text();
    expect(strayLabels(parseExposition(text)), name).toEqual([]);
    expect(text).not.toMatch(/buyer-|console|invented|order-number/);
  }
});

test('what happens after the last scrape is not lost', async () => {
  prometheus.scrape([]);
  await until('the end of all scrapes', 30_000, async () => {
    const { activeTargets } = (await prometheus.api('targets')) as { activeTargets: unknown[] };
    return activeTargets.length === 0 ? true : undefined;
  });
  const requests = (await value(total('seckill_requests_total'))) ?? 0;
  await openSale('headset', 7);
  await buyAll('headset', await tokens('late-', 9));
  await until('all rows', 30_000, async () => {
    const { status } = await system.cli('verify', 'headset', '-o', 'json');
    return status === 0 ? true : undefined;
  });
  expect(await value(total('seckill_requests_total'))).toBe(requests);
  isStopped = true;
  await system.stop();
  expect(await value(total('seckill_requests_total'))).toBe(requests + 9);
  expect(await value(total('seckill_accepted_orders_total'))).toBe(stock + 7);
  expect(await value(total('seckill_confirmed_orders_total'))).toBe(stock + 7);
  expect(await value('sum(resets(seckill_accepted_orders_total[1h]))')).toBe(0);
}, 180_000);
