// What `kn-seckill status -o json` prints, once for each look: one document, its members stable.

import type { Sale } from '#functions/purchase/catalogue.ts';
import type { Standing } from '#functions/purchase/standing.ts';
import type { Alarm } from './alarms.ts';
import type { FunctionName } from './look.ts';

/** What became of purchases, and of the orders accepted: in a second, or counted. */
export interface Figures {
  readonly accepted: number;
  /** The same purchase sent again, and answered with its acceptance. */
  readonly replayed: number;
  /** By outcome, as in the answers' `outcome`. */
  readonly refused: Readonly<Record<string, number>>;
  /** Of `rate_limited`, by tier. */
  readonly limited: Readonly<Record<string, number>>;
  /** Answered with 503: asked again, they are answered. */
  readonly failed: number;
  /** Rows written to MySQL. */
  readonly rows: number;
}

export interface SaleStatus
  extends Pick<
    Sale,
    | 'productId'
    | 'name'
    | 'state'
    | 'stock'
    | 'left'
    | 'sold'
    | 'pending'
    | 'loaded'
    | 'settled'
    | 'opensAt'
    | 'closesAt'
  > {
  readonly soldPerSecond: number | null;
}

export interface FunctionStatus {
  readonly name: FunctionName;
  readonly ready: number;
  /** As many as its autoscaler wants; null where nobody says. */
  readonly wanted: number | null;
  readonly starting: number;
  readonly leaving: number;
  /** Instances whose counters could not be read: the figures lack theirs. */
  readonly unread: number;
  readonly restarts: number;
  /** Ready instances by node. */
  readonly nodes: Readonly<Record<string, number>>;
  /** Cores in use by all its instances. */
  readonly cpuCores: number;
  /** Of its largest instance. */
  readonly memoryBytesMax: number;
}

export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
}

export interface Status {
  /** ISO 8601, by the clock of who looks. */
  readonly at: string;
  readonly system: string;
  /** No instance of any function runs. */
  readonly asleep: boolean;
  /** What `perSecond` and `delaySeconds` are about. */
  readonly measuredSeconds: number;
  readonly perSecond: Figures;
  readonly watchedSeconds: number;
  /** Since the watch began. */
  readonly counted: Figures;
  /** From acceptance to the end of consumption; null where nothing was consumed. */
  readonly delaySeconds: Readonly<Record<'persist-order' | 'update-rank', Quantiles | null>>;
  /** When the sales, stores, lag and dead letters were as said here; null: never seen. */
  readonly standingAt: string | null;
  readonly sales: readonly SaleStatus[] | null;
  readonly stores: Standing['stores'] | null;
  readonly lagEvents: Standing['lagEvents'];
  readonly deadLetters: Standing['deadLetters'];
  readonly functions: readonly FunctionStatus[];
  readonly alarms: readonly Alarm[];
  /** What could not be looked at. */
  readonly notes: readonly string[];
}
