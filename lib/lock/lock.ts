// What a lock on a product promises to those who use it. How it is kept: README.md.

import type { EtcdClient } from '#lib/etcd/etcd.ts';
import type { SetAside } from './write-ahead.ts';

/**
 * Who was granted the lock later has the greater token: by `revision`, then by `incarnation`.
 * A store that refuses a lesser token than it has seen is safe from every earlier holder.
 */
export interface Token {
  readonly revision: number;
  readonly incarnation: number;
}

export interface HeldLock {
  readonly productId: string;
  readonly token: Token;
  /** Aborted when the lock is lost before it was released. */
  readonly lost: AbortSignal;
  /** Until when the lock is ours unless it is renewed, by the manager's clock; in milliseconds. */
  deadlineMs(): number;
  /** False from the deadline on, or once the lock is lost or released; never true again. */
  isHeld(): boolean;
  /** Somebody is queued for this product, in this process or another: hand over soon. */
  othersWait(): boolean;
  /** Calls back once when somebody queues, at once if somebody has; not after the release. */
  onContended(listener: () => void): void;
  /** Asks etcd itself (linearizable) whether the lock is still ours. Throws EtcdUnavailable. */
  confirm(): Promise<boolean>;
  /**
   * Hands over to whoever waits next; nothing happens to a lock that is lost. Never fails: while
   * etcd is away, the lock is given up as soon as it is back.
   */
  release(): Promise<void>;
}

export interface LockManager {
  /**
   * Resumes the lease of the process that used this directory before, or is granted a new one.
   * Resolves with the products that process may have been working on; a place in the queue that
   * it left is taken up by `acquire`, or given up after a third of the TTL. Throws
   * EtcdUnavailable, and may then be called again.
   */
  start(): Promise<readonly string[]>;
  /**
   * Waits for the lock on a product, first come first served among all instances. Queues anew if
   * the lease is lost meanwhile. Throws EtcdUnavailable within seconds if etcd is away, the
   * signal's reason soon after it is aborted, and LockManagerStopped.
   */
  acquire(productId: string, options?: AcquireOptions): Promise<HeldLock>;
  /**
   * Gives up what the process before this one left and nobody here has taken up: who has looked
   * after what it left needs no more of it, and others wait.
   */
  giveUpUnclaimed(): void;
  state(): LockState;
  /** Ends every wait and every lock, and the lease. Never fails; final. */
  stop(): Promise<void>;
}

export interface AcquireOptions {
  readonly signal?: AbortSignal;
}

export interface LockState {
  readonly renewals: { readonly ok: number; readonly failed: number };
  readonly leasesLost: number;
  readonly held: number;
  readonly waiting: number;
  /** How often a waiter was woken because the one before it had gone. */
  readonly wakeUps: number;
}

/**
 * Why a lease is over: gone from etcd; not renewed within its TTL; taken over by another process
 * on the same directory; ended by `stop`.
 */
export type LossReason = 'expired' | 'unanswered' | 'superseded' | 'stopped';

export type LockEvent =
  | { readonly type: 'lease-granted' | 'lease-resumed' | 'renewed' }
  | { readonly type: 'renewal-failed'; readonly error: unknown }
  | { readonly type: 'lease-lost'; readonly reason: LossReason }
  | { readonly type: 'woken'; readonly productId: string }
  | { readonly type: 'acquired'; readonly productId: string; readonly waitedMs: number }
  | { readonly type: 'release-delayed'; readonly productId: string; readonly error: unknown }
  | { readonly type: 'record-set-aside'; readonly found: SetAside };

export class LockManagerStopped extends Error {
  override readonly name = 'LockManagerStopped';
}

/** Monotonic: it is not set, and counts on while the process is stopped. */
export interface Clock {
  now(): number;
  /** Calls back once, in so many milliseconds, unless the returned function is called first. */
  after(delayMs: number, run: () => void): () => void;
}

/** Where names come from; both must never repeat. */
export interface LockIds {
  uuid(): string;
  /** A positive 63-bit integer, decimal. */
  leaseId(): string;
}

export interface LockManagerOptions {
  readonly etcd: EtcdClient;
  /** For the write-ahead record; of this instance alone, and it should outlive a restart. */
  readonly directory: string;
  /** How long the locks of a dead instance stay. At least 2 s: etcd grants no less. */
  readonly ttlMs: number;
  readonly clock?: Clock;
  readonly ids?: LockIds;
  readonly onEvent?: (event: LockEvent) => void;
}
