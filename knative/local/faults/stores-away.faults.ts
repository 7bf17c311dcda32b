// A store is away for a minute in the middle of a sale: killed, or frozen so that it keeps its
// connections and answers nothing. Buyers buy at a steady rate before, meanwhile and after.

import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { kafkaAccessIn } from '#lib/kafka/access.ts';
import { until } from '#lib/testing/runtime.ts';
import { uniqueProductId } from '#lib/testing/unique.ts';
import { sayOnStderr } from '../say.ts';
import type { StoreName } from '../stores/store.ts';
import { startTicks } from '../tick.ts';
import { type Crowd, more, startCrowd } from './crowd.ts';
import { countDeadLetters, isAllCommitted, sourcesOf } from './deliveries.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { judge } from './judge.ts';
import { createOperator } from './operator.ts';

const stock = 1_000_000;
const buyers = 120;
/** More than a hundred purchases a second, which leaves the machine to the system. */
const thinkMs = 900;
const awayMs = Number(process.env.AWAY_MS ?? 60_000);
/** Events that are under way at any time, of some ten that are sold in a second. */
const underWayMax = 10;
const caughtUpDeadlineMs = 120_000;

let fleet: Fleet;
let stopTicks: () => Promise<void>;
beforeAll(async () => {
  fleet = await startFleet();
  stopTicks = startTicks(fleet.gateway.url);
}, 120_000);
afterAll(async () => {
  await stopTicks();
  await fleet.stop();
});

interface Away {
  readonly store: Extract<StoreName, 'mysql' | 'redis'>;
  readonly how: 'killed' | 'frozen';
}

const cases: readonly Away[] = [
  { store: 'mysql', how: 'killed' },
  { store: 'mysql', how: 'frozen' },
  { store: 'redis', how: 'killed' },
  { store: 'redis', how: 'frozen' },
];

test.each(cases)('$store is $how for a minute', { timeout: 600_000 }, async (away) => {
  const productId = uniqueProductId();
  const operator = createOperator(fleet);
  await operator.open(productId, stock);
  const crowd = startCrowd(fleet, { productId, buyers, thinkMs });
  crowd.allow(stock);
  let went = '';
  try {
    await more(crowd, 400);
    went = await beAway(away, crowd);
    await more(crowd, 400);
  } finally {
    fleet.sourceRunner.thaw();
    await crowd.finish();
  }
  await judge(fleet, operator, productId, crowd);
  const kafka = kafkaAccessIn(fleet.env);
  expect(await countDeadLetters(kafka)).toBe(0);
  await until('all to be committed', caughtUpDeadlineMs, async () =>
    (await isAllCommitted(kafka)) ? true : undefined,
  );
  sayOnStderr('faults', `${away.store} ${away.how}: ${went}; ${crowd.accepted.size} in all, ok`);
});

/** Resolves with how it went, in words, when what has piled up is gone. */
async function beAway(away: Away, crowd: Crowd): Promise<string> {
  const { store } = away;
  // Nothing is sold without Redis: what is to pile up has to be there when it goes.
  if (store === 'redis') {
    fleet.sourceRunner.freeze();
    await more(crowd, 400);
  }
  const before = { accepted: crowd.accepted.size, unknown: crowd.unknownAtMs.length };
  await takeDown(away);
  fleet.sourceRunner.thaw();
  await setTimeout(awayMs);
  const meanwhile = crowd.accepted.size - before.accepted;
  const unknown = crowd.unknownAtMs.length - before.unknown;
  const waiting = await backlog(store);

  const calledAtMs = performance.now();
  await bringUp(away);
  const backAtMs = performance.now();
  await until('the backlog to be gone', caughtUpDeadlineMs, async () =>
    (await backlog(store)) <= underWayMax ? true : undefined,
  );
  const gone = seconds(performance.now() - backAtMs);
  expect(waiting).toBeGreaterThan(underWayMax);
  // Buyers don't notice that MySQL is away.
  if (store === 'mysql') expect(meanwhile).toBeGreaterThan(0);
  else expect(unknown).toBeGreaterThan(0);
  return [
    `${meanwhile} accepted meanwhile, ${unknown} times 503`,
    `it answered ${seconds(backAtMs - calledAtMs)} after it was called`,
    `${waiting} events had piled up, and were gone after ${gone}`,
  ].join('; ');
}

async function takeDown({ store, how }: Away): Promise<void> {
  if (how === 'killed') await fleet.killStore(store);
  else fleet.freezeStore(store);
}

async function bringUp({ store, how }: Away): Promise<void> {
  if (how === 'killed') await fleet.startStore(store);
  else fleet.thawStore(store);
}

const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;

/** Events that the function of this store has still to take. */
async function backlog(store: Away['store']): Promise<number> {
  const sources = await sourcesOf(fleet.sourceRunner.url);
  const name = store === 'mysql' ? 'persist-order' : 'update-rank';
  return sources?.find((source) => source.name === name)?.lag ?? Number.POSITIVE_INFINITY;
}
