// One Redis Cluster of single nodes: slots shared out among the masters, each master with replicas
// on other machines. Done once; repeated, it mends and touches nothing else: an empty node in place
// of a lost one becomes a replica, the lost one is forgotten, and what has come to be together on
// one machine is parted.

import { type Patience, untilDone } from '../wait.ts';
import { type ClusterNode, closeNodes, type OpenNode, openNodes, readNodes } from './nodes.ts';
import { pairReplicas, separate, shareSlots, spreadMasters } from './plan.ts';

/** Resolves with what was done, a line each. Rejects when it is not one cluster in time. */
export async function prepareCluster(
  urls: readonly string[],
  replicas: number,
  patience: Patience,
): Promise<string[]> {
  const done: string[] = [];
  await untilDone('Redis', patience, async () => {
    const open = await openNodes(urls);
    try {
      await prepare(open, replicas, done);
    } finally {
      closeNodes(open);
    }
  });
  return done.length > 0 ? done : ['Redis: one cluster, as it should be'];
}

/** One step after the other; throws where a step has yet to spread among the nodes. */
async function prepare(open: readonly OpenNode[], replicas: number, done: string[]): Promise<void> {
  await meet(open, done);
  await forgetLost(open, done);
  const nodes = await readNodes(open);
  for (const { node, slots } of shareSlots(nodes, Math.floor(open.length / (1 + replicas)))) {
    for (const [from, to] of slots) await node.call('CLUSTER', 'ADDSLOTSRANGE', from, to);
    done.push(`Redis: ${node.name} has slots ${slots.map(([a, b]) => `${a}-${b}`).join(', ')}`);
  }
  await agree(open);
  for (const { replica, master } of pairReplicas(await readNodes(open))) {
    await replica.call('CLUSTER', 'REPLICATE', master.id);
    const where = replica.machine === master.machine ? ', on the same machine' : '';
    done.push(`Redis: ${replica.name} is the replica of ${master.name}${where}`);
  }
  await place(open, done);
}

/** Pods move, and roles with them: a machine's end must not take a majority or a pair with it. */
async function place(open: readonly OpenNode[], done: string[]): Promise<void> {
  for (const { replica, master } of separate(await readNodes(open))) {
    await replica.call('CLUSTER', 'REPLICATE', master.id);
    done.push(`Redis: ${replica.name} is the replica of ${master.name} now: not beside its master`);
  }
  const nodes = await readNodes(open);
  for (const node of nodes) {
    if (node.role === 'master' || node.linkIsUp) continue;
    throw new Error(`${node.name} is still copying from its master`);
  }
  const [promoted] = spreadMasters(nodes);
  if (promoted === undefined) return;
  await promoted.call('CLUSTER', 'FAILOVER');
  done.push(`Redis: ${promoted.name} takes over: its master's machine has another master`);
  throw new Error(`${promoted.name} is taking over`);
}

/** Everyone hears of everyone through the first; repeated, it changes nothing. */
async function meet(open: readonly OpenNode[], done: string[]): Promise<void> {
  const [first, ...others] = open;
  if (first === undefined) return;
  const known = new Set((await first.view()).map(({ id }) => id));
  for (const other of others) {
    if (known.has(other.id)) continue;
    await first.call('CLUSTER', 'MEET', other.address, other.port, other.busPort);
    done.push(`Redis: ${other.name} belongs to the cluster`);
  }
  for (const node of open) {
    const ids = new Set((await node.view()).map(({ id }) => id));
    if (open.every(({ id }) => ids.has(id))) continue;
    throw new Error(`${node.name} does not know all others yet`);
  }
}

/** A node that is gone for good, since all that are meant answer and it is none of them. */
async function forgetLost(open: readonly OpenNode[], done: string[]): Promise<void> {
  const meant = new Set(open.map(({ id }) => id));
  const views = await Promise.all(open.map((node) => node.view()));
  const lost = new Map<string, ClusterNode>();
  for (const node of views.flat()) {
    if (meant.has(node.id) || node.isHandshake || node.slotCount > 0 || !node.hasFailed) continue;
    lost.set(node.id, node);
  }
  for (const { id } of lost.values()) {
    for (const node of open) await node.call('CLUSTER', 'FORGET', id).catch(() => undefined);
    done.push(`Redis: ${id} is forgotten: it was lost`);
  }
}

async function agree(open: readonly OpenNode[]): Promise<void> {
  for (const node of open) {
    const info = String(await node.call('CLUSTER', 'INFO'));
    if (!/^cluster_state:ok/m.test(info) || !/^cluster_slots_assigned:16384/m.test(info)) {
      throw new Error(`${node.name} does not know the slots of all yet`);
    }
  }
}
