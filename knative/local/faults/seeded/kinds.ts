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

type Range = readonly [least: number, most: number];

export interface FaultKindFacts {
  /** What it is, in words for people. */
  readonly about: string;
  /** None where it cannot be done to so many nodes. */
  readonly targets: (nodes: Nodes) => readonly FaultTarget[];
  /** How long it lasts: one of these ranges is taken. */
  readonly forMs: readonly Range[];
  /** How much of it, where that is a question: one of these ranges. */
  readonly amount?: readonly Range[];
  /** What it takes of the machine, besides running programs. */
  readonly needs: 'nothing' | 'own namespaces';
}

const functions: readonly Kind[] = ['ratelimit-edge', 'purchase', 'persist-order', 'update-rank'];
export const stores: readonly Kind[] = ['redis', 'etcd', 'kafka', 'mysql'];
const kinds: readonly Kind[] = [...stores, ...functions, 'source-runner'];

function instancesOf(nodes: Nodes, some: readonly Kind[]): FaultTarget[] {
  return some.flatMap((kind) =>
    Array.from({ length: topologyOf(nodes)[kind] }, (_, at) => ({ kind, index: at + 1 })),
  );
}

/** Of one node, nobody leads anybody. */
function havingRole(nodes: Nodes, some: readonly Role[] = roles): FaultTarget[] {
  return nodes === 1 ? [] : some.map((role) => ({ role }));
}

/** Every process there is, and once more those with a part of their own: they are missed most. */
function everyone(nodes: Nodes): FaultTarget[] {
  return [...instancesOf(nodes, kinds), ...havingRole(nodes)];
}

/** Who answers others: all but the source runner. */
function servers(nodes: Nodes): FaultTarget[] {
  return [...instancesOf(nodes, [...stores, ...functions]), ...havingRole(nodes)];
}

const atOnce: readonly Range[] = [[0, 0]];
const briefly: Range = [300, 2_500];
const aWhile: Range = [2_500, 6_000];
/** Longer than a lock lives without its holder. */
const longerThanLocks: Range = [10_500, 12_500];
const minuteMs = 60_000;
/** Less than tokens are good for, on either side. */
const offByMs: readonly Range[] = [
  [1_000, 20_000],
  [minuteMs, 50 * minuteMs],
];

export const faultKinds = {
  kill: {
    about: 'killed with -9, started again at once',
    targets: everyone,
    forMs: atOnce,
    needs: 'nothing',
  },
  end: {
    about: 'told to end (SIGTERM), started again at once',
    targets: everyone,
    forMs: atOnce,
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
    forMs: [briefly, aWhile, longerThanLocks],
    needs: 'nothing',
  },
  cut: {
    about: 'off the network: all from it and to it is dropped, and nobody is told',
    targets: everyone,
    forMs: [briefly, aWhile, longerThanLocks],
    needs: 'own namespaces',
  },
  slow: {
    about: 'a bad network: a part of all from it and to it is dropped',
    targets: everyone,
    forMs: [briefly, aWhile],
    amount: [[5, 50]],
    needs: 'own namespaces',
  },
  unanswered: {
    about: 'does what functions ask of it, but its answers are lost',
    targets: servers,
    // Some of them longer than anybody waits for an answer.
    forMs: [briefly, [3_500, 8_000]],
    needs: 'own namespaces',
  },
  'old-replica': {
    about: 'the master is killed when its replica has heard nothing for a while and takes over',
    targets: (nodes) => havingRole(nodes, ['Redis master of the sale']),
    forMs: [[6_000, 9_000]],
    needs: 'own namespaces',
  },
  'move-leaders': {
    about: 'all partitions of the orders get other leaders than this broker, and later the first',
    targets: (nodes) =>
      nodes === 1 ? [] : [...instancesOf(nodes, ['kafka']), { role: 'Kafka leader' }],
    forMs: [briefly],
    needs: 'nothing',
  },
  'full-disk': {
    about: 'not one more byte fits on the disk of a store',
    targets: (nodes) => [...instancesOf(nodes, stores), ...havingRole(nodes)],
    forMs: [briefly, aWhile],
    needs: 'own namespaces',
  },
  'clock-back': {
    about: 'the clock of a function is set back, and later right again',
    targets: (nodes) => instancesOf(nodes, functions),
    forMs: [briefly, aWhile],
    amount: offByMs,
    needs: 'nothing',
  },
  'clock-ahead': {
    about: 'the clock of a function is set ahead, and later right again',
    targets: (nodes) => instancesOf(nodes, functions),
    forMs: [briefly, aWhile],
    amount: offByMs,
    needs: 'nothing',
  },
} as const satisfies Record<string, FaultKindFacts>;

export type FaultKind = keyof typeof faultKinds;

export const allKinds = Object.keys(faultKinds) as FaultKind[];

export function factsOf(kind: FaultKind): FaultKindFacts {
  return faultKinds[kind];
}
