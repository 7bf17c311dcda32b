// A running system that faults are done to, and whether all of it is well again.

import { join } from 'node:path';
import {
  startTestRuntime,
  type TestRuntime,
  testRuntimeFolder,
  until,
} from '#lib/testing/runtime.ts';
import { belongsAgain } from '../../nodes/roles.ts';
import type { Say } from '../../say.ts';
import { type ProcessEntry, pidOf } from '../../state.ts';
import { allStores } from '../../stores/stores.ts';
import { folderOf, type Kind, type Nodes, namesOf, topologyOf } from '../../topology.ts';
import { type Disks, mountDisks } from './disks.ts';
import { areOurs } from './namespaces.ts';
import { type Network, openNetwork, type Peer } from './network.ts';

export interface FaultSystem {
  readonly nodes: Nodes;
  readonly folder: string;
  readonly runtime: TestRuntime;
  /** Undefined where this machine lets us have neither: see `enterNamespaces`. */
  readonly network: Network | undefined;
  readonly disks: Disks | undefined;
  readonly peerOf: (entry: ProcessEntry) => Peer;
  /** The sale that roles are about: the one that was opened last. */
  readonly productId: () => string;
  readonly setProductId: (productId: string) => void;
  /** Ends it and removes what it stored. */
  stop(): Promise<void>;
}

/** Groups that no account of a machine has. */
const firstGroupId = 61_000;
/** In each function, for its clock. */
const preload = new URL('./clock.ts', import.meta.url).href;

export interface FaultSystemOptions {
  readonly nodes: Nodes;
  readonly say: Say;
}

export async function startFaultSystem({ nodes, say }: FaultSystemOptions): Promise<FaultSystem> {
  const folder = testRuntimeFolder();
  const names = (Object.keys(topologyOf(nodes)) as Kind[]).flatMap((kind) =>
    namesOf(kind, topologyOf(nodes)[kind]),
  );
  const groupIdOf = (name: string) => firstGroupId + names.indexOf(name);
  const network = areOurs() ? await openNetwork(names.map(groupIdOf)) : undefined;
  const disks = areOurs() ? await mountDisks(placesOf(folder, nodes)) : undefined;
  const runtime = await startTestRuntime(
    { NODE_OPTIONS: `--import=${preload}` },
    {
      ...{ nodes, folder, say, asPrograms: true },
      ...(network === undefined ? {} : { groupOf: groupIdOf }),
      ...(disks === undefined ? {} : { beforeRemoval: () => disks.remove() }),
    },
  );
  let productId = '';
  return {
    ...{ nodes, folder, runtime, network, disks },
    peerOf({ name, port, metricsPort }) {
      const ports = [port, metricsPort, runtime.ports[`${name}:peer`]];
      return { groupId: groupIdOf(name), ports: ports.filter((one) => one !== undefined) };
    },
    productId: () => productId,
    setProductId(given) {
      productId = given;
    },
    stop: () => runtime.stop(),
  };
}

/** Where each process of a store will live. */
function placesOf(folder: string, nodes: Nodes) {
  return allStores.flatMap(({ name: kind }) =>
    namesOf(kind, topologyOf(nodes)[kind]).map((name) => {
      return { name, folder: join(folderOf(folder, nodes), name) };
    }),
  );
}

/** Resolves with how long it took until every process runs and belongs to the others again. */
export async function untilHealthy(system: FaultSystem, deadlineMs: number): Promise<number> {
  const startedAtMs = performance.now();
  let left: readonly ProcessEntry[] = system.runtime.processes;
  await until('everything to be well', deadlineMs, async () => {
    left = await unwell(left, system.runtime.processes);
    return left.length === 0 || undefined;
  }).catch((error: unknown) => {
    const names = left.map(({ name }) => name).join(', ');
    throw new Error(`not well after ${deadlineMs} ms: ${names}`, { cause: error });
  });
  return performance.now() - startedAtMs;
}

/** Those that do not run, or do not yet belong to the others. */
async function unwell(
  some: readonly ProcessEntry[],
  all: readonly ProcessEntry[],
): Promise<ProcessEntry[]> {
  const told = await Promise.all(
    some.map(async (one) => {
      if (pidOf(one) === undefined) return false;
      return belongsAgain(one, all).catch(() => false);
    }),
  );
  return some.filter((_, at) => told[at] !== true);
}
