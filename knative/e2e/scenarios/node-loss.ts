// A node is killed under load. Buyers may wait, since what was on it has to be missed first; but
// whoever asks again with the same key is served, and nothing that was accepted is lost.

import { setTimeout as pause } from 'node:timers/promises';
import { type Cluster, perNode, serviceNames } from '../cluster.ts';
import { servedOf } from '../judge.ts';
import { startStream, untilServed } from '../load.ts';
import { output } from '../run.ts';
import { type Found, lastLine, type Stage } from '../stage.ts';
import { placesOf } from './spread.ts';

/** How long it stays away: longer than Kubernetes takes to notice (40 to 50 s by default). */
const awayMs = 90_000;
/** Its kubelet, its network and its pods start while the others go on selling. */
const readyWithinMs = 360_000;
const afterwardsMs = 15_000;
const peopleCount = 100_000;

export async function nodeLoss(stage: Stage): Promise<Found> {
  const { cluster, options, shop, say } = stage;
  const { killNode, startNode } = options;
  if (killNode === undefined) throw new Error('--kill-node says how a node is killed');
  // More than one of each, so that there is something to lose and something left.
  stage.atTheEnd('scale cool', () => shop.tell('scale', 'cool', '--all'));
  const warmed = await shop.tell('scale', 'warm', '--all', '--to', String(options.warm));
  if (warmed.status !== 0) throw new Error(lastLine(warmed.stderr));
  const sale = await stage.newSale({ name: 'node', stock: peopleCount });
  const load = startStream(sale.buyers, await sale.people(peopleCount), options.perSecond);
  // A node that is killed before the first purchase is served proves nothing about a sale.
  await untilServed(stage, sale.buyers.tally.purchases);
  const node = options.node ?? (await busiest(cluster));
  const before = placesOf((await cluster.pods()).filter((pod) => pod.isReady));
  if (startNode !== undefined) {
    stage.atTheEnd(`start ${node}`, () => shell(startNode, node));
  }
  const killedAtMs = Date.now();
  await shell(killNode, node);
  say(`${node} is killed`);
  await pause(awayMs, undefined, { signal: stage.interrupted });
  const problems: string[] = [];
  const isMissed = (await cluster.nodes()).find(({ name }) => name === node)?.isReady === false;
  if (!isMissed) problems.push(`${node} is still Ready: was it killed?`);
  if (startNode !== undefined) {
    await shell(startNode, node);
    say(`${node} is started again`);
    const back = await stage.until(
      readyWithinMs,
      async () => (await cluster.nodes()).every(({ isReady }) => isReady) || undefined,
    );
    if (back === undefined) problems.push(`${node} is not Ready after its start`);
  }
  await pause(afterwardsMs, undefined, { signal: stage.interrupted });
  await load.stop();
  const { tally } = sale.buyers;
  const served = servedOf(tally);
  if (served.unserved > 0) problems.push(`${served.unserved} buyers were not served in the end`);
  const settled = await sale.settle();
  return {
    figures: {
      ...{ node, before, longestPauseMs: longestPause(tally.purchases, killedAtMs) },
      ...{ ...served, ...settled.figures },
    },
    problems: [...problems, ...settled.problems],
  };
}

async function busiest(cluster: Cluster): Promise<string> {
  const pods = (await cluster.pods()).filter(({ isReady, node }) => isReady && node !== '');
  const [first] = Object.entries(perNode(pods)).sort(([, a], [, b]) => b - a);
  if (first === undefined) throw new Error(`no instance of ${serviceNames.join(', ')} is ready`);
  return first[0];
}

async function shell(command: string, node: string): Promise<void> {
  await output('sh', ['-c', command.replaceAll('{node}', node)]);
}

/** The longest time since the node went in which nobody at all was told anything. */
function longestPause(
  purchases: readonly { readonly toldAtMs: number }[],
  sinceMs: number,
): number {
  const times = purchases.map(({ toldAtMs }) => toldAtMs).filter((at) => at > sinceMs);
  let last = sinceMs;
  let longest = 0;
  for (const at of times.sort((a, b) => a - b)) {
    longest = Math.max(longest, at - last);
    last = at;
  }
  return longest;
}
