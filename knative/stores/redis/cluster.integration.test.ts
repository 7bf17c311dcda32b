import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type ClusterMember, startNode } from '#lib/testing/own-cluster.ts';
import { prepareCluster } from './cluster.ts';
import { closeNodes, openNodes, readNodes } from './nodes.ts';

const folder = mkdtempSync(join(tmpdir(), 'seckill-make-cluster-'));
const members: ClusterMember[] = [];
const patience = {
  waitMs: 60_000,
  interrupted: new AbortController().signal,
  say: () => undefined,
};

afterEach(async () => {
  await Promise.all(members.map(({ running }) => running.stop()));
  await rm(folder, { recursive: true, force: true });
});

/** The n-th of six, two on each of three machines; `generation` 1 comes in place of a lost one. */
function start(index: number, generation = 0): Promise<ClusterMember> {
  const title = `{title} on machine-${index % 3}`;
  return startNode(folder, index + 10 * generation, [
    ...['--proc-title-template', title],
    ...['--cluster-node-timeout', '1000'],
  ]);
}

const urlsOf = (nodes: readonly ClusterMember[]) =>
  nodes.map(({ port }) => `redis://127.0.0.1:${port}`);

async function look() {
  const open = await openNodes(urlsOf(members));
  try {
    return { nodes: await readNodes(open), known: (await open[0]?.view())?.length };
  } finally {
    closeNodes(open);
  }
}

test('six empty nodes become one cluster, once; a lost node is replaced and forgotten', async () => {
  for (let index = 0; index < 6; index += 1) members.push(await start(index));
  const made = await prepareCluster(urlsOf(members), 1, patience);
  expect(made).toHaveLength(5 + 3 + 3);

  const { nodes } = await look();
  const masters = nodes.filter(({ role }) => role === 'master');
  const slots = masters.flatMap((master) => master.slots);
  expect(slots.reduce((sum, [from, to]) => sum + to - from + 1, 0)).toBe(16_384);
  expect(new Set(masters.map(({ machine }) => machine)).size).toBe(3);
  for (const replica of nodes.filter(({ role }) => role === 'replica')) {
    const master = nodes.find(({ id }) => id === replica.masterId);
    expect(master?.machine).toBeDefined();
    expect(replica.machine).not.toBe(master?.machine);
  }

  expect(await prepareCluster(urlsOf(members), 1, patience)).toEqual([
    'Redis: one cluster, as it should be',
  ]);

  const lost = nodes.findIndex(({ role }) => role === 'replica');
  await members[lost]?.running.stop();
  members[lost] = await start(lost, 1);
  const mended = await prepareCluster(urlsOf(members), 1, patience);
  expect(mended.join('\n')).toMatch(/belongs to the cluster[^]*is forgotten[^]*is the replica of/);
  const after = await look();
  expect(after.known).toBe(6);
  expect(after.nodes.filter(({ role, linkIsUp }) => role === 'replica' && linkIsUp)).toHaveLength(
    3,
  );
}, 120_000);
