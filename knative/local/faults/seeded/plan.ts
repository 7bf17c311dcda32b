// What a seed stands for: which buyers come, what is done to which process, when and for how long.
// Nothing but the seed and the options has a part in it, so that a run can be had again.

import { createHash } from 'node:crypto';
import type { Kind, Nodes } from '../../topology.ts';
import { randomOf } from '../random.ts';
import { type FaultKind, type FaultTarget, factsOf } from './kinds.ts';

export interface PlannedFault {
  readonly kind: FaultKind;
  readonly target: FaultTarget;
  /** From when buyers are being sold to; how long it lasts from then. */
  readonly atMs: number;
  readonly forMs: number;
  /** Milliseconds of a clock, percent of a network; 0 where nobody asks. */
  readonly amount: number;
}

export interface Plan {
  readonly seed: number;
  /** Purchases begun in a second, for at least so long. */
  readonly perSecond: number;
  readonly loadMs: number;
  /** Fewer than are asked for in some plans, so that what is sold twice would be seen. */
  readonly stock: number;
  readonly faults: readonly PlannedFault[];
}

export interface PlanOptions {
  readonly nodes: Nodes;
  readonly kinds: readonly FaultKind[];
  /** For how long buyers come, at least. */
  readonly seconds: number;
}

export type Random = () => number;

const plenty = 100_000;
/** After the first sale, and so that there is time for what comes next. */
const firstFaultMs = 500;
const lastFaultMs = 3_000;
const overlapShare = 0.35;
const scarceShare = 0.3;

export function planOf(seed: number, options: PlanOptions): Plan {
  const random = randomOf(seedOf(seed, options));
  const perSecond = between(random, 15, 40);
  const loadMs = options.seconds * 1_000;
  const isScarce = random() < scarceShare;
  const asked = (perSecond * loadMs) / 1_000;
  const stock = isScarce ? between(random, asked / 2, asked) : plenty;
  const first = drawFault(random, options);
  const second = random() < overlapShare ? [drawFault(random, options, first)] : [];
  return { seed, perSecond, loadMs, stock, faults: [first, ...second] };
}

/**
 * One fault; one that begins while `other` lasts, where that is given. Draws from `random` alone.
 */
export function drawFault(
  random: Random,
  { nodes, kinds }: Pick<PlanOptions, 'nodes' | 'kinds'>,
  other?: PlannedFault,
): PlannedFault {
  const kind = oneOf(
    random,
    kinds.filter((one) => factsOf(one).targets(nodes).length > 0),
  );
  const { targets, forMs, amount = [[0, 0]] } = factsOf(kind);
  const target = oneOf(random, targets(nodes));
  const [shortest, longest] = oneOf(random, forMs);
  const [least, most] = oneOf(random, amount);
  const from = other === undefined ? firstFaultMs : other.atMs;
  const to = other === undefined ? lastFaultMs : other.atMs + Math.max(other.forMs, 1_000);
  return {
    ...{ kind, target, atMs: between(random, from, to) },
    ...{ forMs: between(random, shortest, longest), amount: between(random, least, most) },
  };
}

/** A whole number, both ends included. */
function between(random: Random, least: number, most: number): number {
  return Math.floor(least + random() * (Math.floor(most) - Math.floor(least) + 1));
}

function oneOf<T>(random: Random, all: readonly T[]): T {
  const found = all[Math.floor(random() * all.length)];
  if (found === undefined) throw new Error('there is nothing to choose from');
  return found;
}

/** Plans of neighbouring seeds, and of other options, have nothing to do with each other. */
function seedOf(seed: number, { nodes, kinds, seconds }: PlanOptions): number {
  const text = JSON.stringify([seed, nodes, kinds, seconds]);
  return createHash('sha256').update(text).digest().readUInt32LE(0);
}

/** `freeze etcd leader for 4.2 s`. */
export function nameOf({ kind, target, forMs, amount }: Omit<PlannedFault, 'atMs'>): string {
  const who = targetName(target);
  const seconds = forMs === 0 ? '' : ` for ${(forMs / 1_000).toFixed(1)} s`;
  switch (kind) {
    case 'clock-back':
    case 'clock-ahead':
      return `${kind} by ${(amount / 1_000).toFixed(0)} s: ${who}${seconds}`;
    case 'slow':
      return `${kind} by ${amount} %: ${who}${seconds}`;
    case 'old-replica':
    case 'move-leaders':
    case 'full-disk':
    case 'unanswered':
      return `${kind}: ${who}${seconds}`;
    case 'kill':
    case 'end':
    case 'away':
    case 'freeze':
    case 'cut':
      return `${kind} ${who}${seconds}`;
  }
}

export function targetName(target: FaultTarget): string {
  return 'role' in target ? target.role : `${target.kind satisfies Kind}-${target.index}`;
}
