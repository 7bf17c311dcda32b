// The catalogue of faults: what each kind may be done to, and for how long. Pure, so that plans are.

import { type Kind, type Nodes, topologyOf } from '../../topology.ts';

/** Who has a part just now, whichever process that is. */
export const roles = [
  'etcd leader',
  'Kafka controller',
  'Kafka leader',
  'Redis master of the sale',
  'Redis replica of the sale',
] as const;
export type Role = (typeof roles)[number];

/** An instance from 1, or who has a role when it happens. */
export type FaultTarget = { readonly role: Role } | { readonly kind: Kind; readonly index: number };

type Milliseconds = readonly [least: number, most: number];

export interface FaultKindFacts {
  /** What the table calls it. */
  readonly about: string;
  readonly targets: (nodes: Nodes) => readonly FaultTarget[];
  /** One of these ranges is taken. */
  readonly forMs: readonly Milliseconds[];
  /** What it takes of the machine, besides running programs. */
  readonly needs: 'nothing' | 'own namespaces';
}

const atOnce: Milliseconds = [0, 0];

/** Every process there is, and once more those with a part of their own: they are missed most. */
function everyone(nodes: Nodes): FaultTarget[] {
  const topology = topologyOf(nodes);
  const each = (Object.keys(topology) as Kind[]).flatMap((kind) => instancesOf(nodes, kind));
  return [...each, ...rolesOf(nodes)];
}

function rolesOf(nodes: Nodes): FaultTarget[] {
  return nodes === 1 ? [] : roles.map((role) => ({ role }));
}

function instancesOf(nodes: Nodes, kind: Kind): FaultTarget[] {
  const count = topologyOf(nodes)[kind];
  return Array.from({ length: count }, (_, at) => ({ kind, index: at + 1 }));
}

export const faultKinds = {
  kill: {
    about: 'killed with -9, started again at once',
    targets: everyone,
    forMs: [atOnce],
    needs: 'nothing',
  },
  away: {
    about: 'killed with -9, away for a while',
    targets: everyone,
    forMs: [[1_000, 6_000]],
    needs: 'nothing',
  },
  freeze: {
    about: 'stopped with SIGSTOP, goes on with SIGCONT',
    targets: everyone,
    // Some of them longer than a lock lives without its holder.
    forMs: [
      [300, 2_500],
      [300, 6_000],
      [10_500, 12_500],
    ],
    needs: 'nothing',
  },
} as const satisfies Record<string, FaultKindFacts>;

export type FaultKind = keyof typeof faultKinds;

export const allKinds = Object.keys(faultKinds) as FaultKind[];
