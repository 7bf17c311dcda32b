// What one look at a system finds: its instances with what they have counted, and how the sales
// stand. Where it comes from (a cluster, the local runtime) is the sources' matter.

import type { Standing } from '#functions/purchase/standing.ts';
import type { LostWarmth } from '../kube/lost-warmth.ts';
import type { Series } from './exposition.ts';

/** In the order in which an order travels. */
export const functionNames = [
  'ratelimit-edge',
  'purchase',
  'persist-order',
  'update-rank',
] as const;
export type FunctionName = (typeof functionNames)[number];

export interface Instance {
  readonly function: FunctionName;
  /** No two have had the same, ever; a container that restarts keeps it. */
  readonly id: string;
  readonly name: string;
  readonly node: string | undefined;
  /** `leaving`: it was told to go, and still answers what it has taken. */
  readonly state: 'ready' | 'starting' | 'leaving';
  readonly restarts: number;
  /** Why it cannot start, where the cluster says so: `ImagePullBackOff`. */
  readonly trouble: string | undefined;
  /** Undefined where it did not answer. */
  readonly series: readonly Series[] | undefined;
}

/** A sale window that has been planned. */
export interface Opening {
  readonly productId: string;
  readonly opensAtMs: number;
}

export interface Look {
  /** By the clock of who looks, epoch milliseconds. */
  readonly atMs: number;
  readonly instances: readonly Instance[];
  /** How many there should be of each; undefined where nobody says. */
  readonly wanted: Readonly<Record<FunctionName, number | undefined>>;
  /** Undefined where no instance of `purchase` has told. */
  readonly standing: Standing | undefined;
  readonly planned: readonly Opening[];
  /** What `scale warm` has promised, and a roll-out has taken. */
  readonly lostWarmth: readonly LostWarmth[];
  /** What could not be looked at, in words for people. */
  readonly notes: readonly string[];
}

/** A system that can be looked at. A look wakes nothing and keeps nothing awake. */
export interface Source {
  /** What is looked at, in words for people. */
  readonly title: string;
  /** Of a cluster. */
  readonly namespace?: string;
  /** Throws where nothing can be seen at all. */
  look(): Promise<Look>;
}
