// How many of what a runtime starts: one of each, or what three machines of a cluster have
// (knative/overlays/three-node). Nothing else depends on the number of nodes.

import { join } from 'node:path';
import type { FunctionName } from './build.ts';
import type { StoreName } from './stores/store.ts';

export type Kind = StoreName | FunctionName | 'source-runner';

/** So many processes of each. */
export type Topology = Readonly<Record<Kind, number>>;

const topologies = {
  1: {
    ...{ redis: 1, etcd: 1, kafka: 1, mysql: 1 },
    ...{ 'ratelimit-edge': 1, purchase: 1, 'persist-order': 1, 'update-rank': 1 },
    'source-runner': 1,
  },
  3: {
    // Three masters, and a replica of each.
    ...{ redis: 6, etcd: 3, kafka: 3, mysql: 1 },
    ...{ 'ratelimit-edge': 3, purchase: 3, 'persist-order': 3, 'update-rank': 3 },
    // While one is away the other delivers what both did.
    'source-runner': 2,
  },
} as const satisfies Record<number, Topology>;

export type Nodes = keyof typeof topologies;

export function topologyOf(nodes: Nodes): Topology {
  return topologies[nodes];
}

/** As a command line says it; undefined where there is no such topology. */
export function nodesOf(text: string): Nodes | undefined {
  if (text === '1') return 1;
  return text === '3' ? 3 : undefined;
}

/** What so many of a kind are called: one by its kind, several by their numbers, too, from 1. */
export function namesOf(kind: Kind, count: number): string[] {
  if (count === 1) return [kind];
  return Array.from({ length: count }, (_, index) => `${kind}-${index + 1}`);
}

/** Where their data and logs are: data of one node is of no use to three. */
export function folderOf(stateFolder: string, nodes: Nodes): string {
  return nodes === 1 ? stateFolder : join(stateFolder, `nodes-${nodes}`);
}
