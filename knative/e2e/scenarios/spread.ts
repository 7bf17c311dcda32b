// Under load there are several instances, on all nodes; two minutes after it there is none.

import { type KnativeService, type Pod, perNode } from '../cluster.ts';
import { servedOf } from '../judge.ts';
import { startCrowd } from '../load.ts';
import type { Found, Stage } from '../stage.ts';
import { waitForZero } from './zero.ts';

const spreadWithinMs = 120_000;
const goneWithinMs = 120_000;
const peopleCount = 60_000;

export async function spread(stage: Stage): Promise<Found> {
  const { cluster, options } = stage;
  const nodes = (await cluster.nodes()).filter(({ isReady }) => isReady);
  const wanted = Math.min(nodes.length, 3);
  const edge = (await cluster.services()).find(({ name }) => name === 'ratelimit-edge');
  const crowd = Math.max(options.crowd, crowdFor(edge, wanted));
  const sale = await stage.newSale({ name: 'spread', stock: peopleCount });
  stage.say(`${crowd} buyers at the same time`);
  const load = startCrowd(sale.buyers, await sale.people(peopleCount), crowd);
  let most: readonly Pod[] = [];
  const found = await stage.until(spreadWithinMs, async () => {
    const pods = (await cluster.pods()).filter(({ isReady }) => isReady);
    if (nodesOf(pods) > nodesOf(most) || pods.length > most.length) most = pods;
    return (
      nodesOf(pods.filter(({ service }) => service === 'ratelimit-edge')) >= wanted || undefined
    );
  });
  await load.stop();
  const problems =
    found === undefined ? [`the edge was not on ${wanted} nodes: ${shown(most)}`] : [];
  const served = servedOf(sale.buyers.tally);
  const settled = await sale.settle();
  const gone = await waitForZero(stage, goneWithinMs);
  if (!gone.isZero) problems.push(`left after ${goneWithinMs / 1_000} s: ${gone.left.join(', ')}`);
  return {
    figures: {
      ...{ crowd, instances: most.length, perNode: perNode(most), perService: placesOf(most) },
      ...{ goneAfterSeconds: gone.seconds, ...served, ...settled.figures },
    },
    problems: [...problems, ...settled.problems],
  };
}

/** So many that the autoscaler wants `instances` of it: Knative aims at 70 % of the target. */
function crowdFor(edge: KnativeService | undefined, instances: number): number {
  const target = Number(edge?.annotations['autoscaling.knative.dev/target'] ?? 100);
  return Math.ceil(target * 0.7 * instances * 1.2);
}

function nodesOf(pods: readonly Pod[]): number {
  return new Set(pods.map(({ node }) => node)).size;
}

/** `{"purchase": {"n1": 1, "n2": 1}}` */
export function placesOf(pods: readonly Pod[]): Record<string, Record<string, number>> {
  const services = [...new Set(pods.map(({ service }) => service))].sort();
  return Object.fromEntries(
    services.map((name) => [name, perNode(pods.filter(({ service }) => service === name))]),
  );
}

function shown(pods: readonly Pod[]): string {
  return pods.length === 0 ? 'no instance at all' : JSON.stringify(placesOf(pods));
}
