// One run from the sale to the verdict: prepare, load, settle, verify, compare. Who puts the load on
// the system is an argument, so that all the rest is tested where k6 is not installed.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { type LoggedPurchase, purchasesOf } from './answers.ts';
import { type Figures, figuresOf, type OrderRow } from './figures.ts';
import { type Check, checkFigures, checkRows, checkSummary, checkVerified } from './judge.ts';
import type { Play, Played } from './k6.ts';
import type { Plan } from './plans.ts';
import type { RunFile } from './run-file.ts';
import { openSales, type Sales, type SalesDeps, signBuyers } from './sales.ts';

export interface Report {
  readonly scenario: string;
  readonly about: string;
  readonly ok: boolean;
  readonly machine: { readonly cpus: number; readonly model: string; readonly load: string };
  readonly figures: Figures;
  readonly checks: readonly Check[];
}

export interface Deps extends SalesDeps {
  /** The edge, without a slash at the end. */
  readonly url: string;
  /** Where everything about this run goes. */
  readonly folder: string;
  readonly play: Play;
}

export async function perform(plan: Plan, deps: Deps): Promise<Report> {
  const { shop, folder, play, say, atTheEnd } = deps;
  mkdirSync(folder, { recursive: true });
  const tokensFile = join(folder, 'tokens');
  atTheEnd(() => {
    rmSync(tokensFile, { force: true });
    return Promise.resolve();
  });
  const hotUser = await signBuyers(shop, plan.buyers, tokensFile);
  const sales = await openSales(deps, plan);
  const { products, opensAt } = sales;
  const files = {
    path: folder,
    runFile: join(folder, 'run.json'),
    summaryFile: join(folder, 'summary.json'),
  };
  const runFile: RunFile = {
    ...{ url: deps.url, products, tokensFile, summaryFile: files.summaryFile, load: plan.load },
    ...(opensAt === undefined ? {} : { opensAt }),
  };
  writeFileSync(files.runFile, JSON.stringify(runFile, undefined, 2));
  say(`${plan.scenario}: ${plan.about}`);
  const loadBefore = loadavg();
  const played = await play(plan.scenario, files, say);
  const after = await lookAfter(sales, say);
  const { figures, checks } = judge(plan, played, { ...after, opensAt, hotUser });
  const [cpu] = cpus();
  return {
    ...{ scenario: plan.scenario, about: plan.about, ok: checks.every(({ ok }) => ok) },
    machine: {
      ...{ cpus: availableParallelism(), model: cpu?.model ?? '' },
      load: `${(loadBefore[0] ?? 0).toFixed(1)} before, ${(loadavg()[0] ?? 0).toFixed(1)} after`,
    },
    ...{ figures, checks },
  };
}

async function lookAfter(sales: Sales, say: Deps['say']) {
  say('the load is over; waiting until every accepted order is a row');
  await sales.settle();
  const settledAtMs = Date.now();
  const verified = await sales.verify();
  return { settledAtMs, verified, rowsOf: await sales.rows() };
}

type After = Awaited<ReturnType<typeof lookAfter>> & {
  readonly opensAt: string | undefined;
  readonly hotUser: string;
};

function judge(plan: Plan, { answers, summary }: Played, after: After) {
  const purchases: readonly LoggedPurchase[] = purchasesOf(answers);
  const rows: readonly OrderRow[] = [...after.rowsOf.values()].flat();
  const { settledAtMs, rowsOf, verified, opensAt } = after;
  const figures = figuresOf({
    ...{ load: plan.load, answers, purchases, rows, settledAtMs },
    opensAtMs: opensAt === undefined ? undefined : Date.parse(opensAt),
    hotUser: plan.load.hotPerSecond > 0 ? after.hotUser : undefined,
  });
  const checks = [
    checkVerified(verified),
    ...checkRows(purchases, rowsOf),
    ...checkFigures(figures, plan.expected),
    ...checkSummary(summary, { answers: answers.length, purchases: purchases.length }),
  ];
  return { figures, checks };
}
