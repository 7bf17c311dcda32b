// Warm before the opening: `scale warm` has so many instances of each Service ready before the sale
// opens, without a new revision, and the first buyer is not the one who waits; `scale cool` lets
// them go again.

import { setTimeout as pause } from 'node:timers/promises';
import type { Cluster } from '../cluster.ts';
import { quantile, servedOf } from '../judge.ts';
import { startStream } from '../load.ts';
import { type Found, lastLine, type Stage } from '../stage.ts';
import { placesOf } from './spread.ts';
import { waitForZero } from './zero.ts';

const opensAfterSeconds = 120;
const loadMs = 15_000;
const goneWithinMs = 150_000;

export async function warm(stage: Stage): Promise<Found> {
  const { cluster, shop, options, say } = stage;
  const opensAtMs = Date.now() + opensAfterSeconds * 1_000;
  const opens = new Date(opensAtMs).toISOString();
  const sale = await stage.newSale({ name: 'warm', stock: 100_000, opens });
  await shop.ask('sale', 'warm', sale.productId);
  const before = await revisionNames(cluster);
  stage.atTheEnd('scale cool', () => shop.tell('scale', 'cool', '--all'));
  const startedAtMs = performance.now();
  const warmed = await shop.tell('scale', 'warm', '--all', '--to', String(options.warm));
  const warmSeconds = Math.round((performance.now() - startedAtMs) / 100) / 10;
  const pods = (await cluster.pods()).filter(({ isReady }) => isReady);
  const isEarly = Date.now() < opensAtMs;
  say(
    `${pods.length} instances are ready ${Math.round((opensAtMs - Date.now()) / 1_000)} s before`,
  );
  const problems = warmed.status === 0 ? [] : [lastLine(warmed.stderr)];
  if (!isEarly) problems.push(`it took ${warmSeconds} s: the sale had opened by then`);
  const added = (await revisionNames(cluster)).filter((name) => !before.includes(name));
  if (added.length > 0) problems.push(`new revisions: ${added.join(', ')}`);
  const counts = placesOf(pods);
  for (const service of ['ratelimit-edge', 'purchase']) {
    const count = pods.filter((pod) => pod.service === service).length;
    if (count < options.warm) problems.push(`${service} has ${count} instances ready`);
  }
  await pause(Math.max(0, opensAtMs - Date.now()), undefined, { signal: stage.interrupted });
  const load = startStream(sale.buyers, await sale.people(10_000), options.perSecond);
  await pause(loadMs, undefined, { signal: stage.interrupted });
  await load.stop();
  const settled = await sale.settle();
  const cooled = await shop.tell('scale', 'cool', '--all');
  if (cooled.status !== 0) problems.push(lastLine(cooled.stderr));
  const gone = await waitForZero(stage, goneWithinMs);
  if (!gone.isZero) problems.push(`left after scale cool: ${gone.left.join(', ')}`);
  const since = (await revisionNames(cluster)).filter((name) => !before.includes(name));
  if (since.length > added.length) problems.push(`new revisions by then: ${since.join(', ')}`);
  const firstMs = sale.buyers.tally.purchases.slice(0, options.perSecond).map((one) => one.tookMs);
  return {
    figures: {
      ...{ instances: pods.length, perService: counts, warmSeconds },
      ...{ firstSecondMedianMs: quantile(firstMs, 0.5), firstSecondWorstMs: quantile(firstMs, 1) },
      ...{ goneAfterCoolSeconds: gone.seconds, newRevisions: added.length },
      ...{ ...servedOf(sale.buyers.tally), ...settled.figures },
    },
    problems: [...problems, ...settled.problems],
  };
}

async function revisionNames(cluster: Cluster): Promise<string[]> {
  return (await cluster.revisions()).map(({ name }) => name);
}
