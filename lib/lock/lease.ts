// The one lease of an instance. It is renewed every third of its TTL, and counts itself out one
// TTL (less a margin) after the last *answered* keep-alive was *sent*: never later than etcd does.

import type { EtcdClient } from '#lib/etcd/etcd.ts';
import { instanceKey, parseInstance, read } from './keys.ts';
import type { Clock, LockEvent, LossReason } from './lock.ts';
import type { LockRecord } from './write-ahead.ts';

/** A failed renewal is repeated this soon, so that an etcd that is back is noticed. */
export const retryMs = 250;

export interface LeaseOptions {
  readonly etcd: EtcdClient;
  readonly clock: Clock;
  readonly ttlMs: number;
  readonly onEvent: (event: LockEvent) => void;
  /** After each renewal: see to what depends on the lease. A failure is repeated soon. */
  readonly afterRenewal: (lease: Lease) => Promise<void>;
}

interface Identity {
  readonly uuid: string;
  readonly leaseId: string;
  readonly incarnation: number;
}

/** A new lease under names that have been recorded. Throws EtcdUnavailable. */
export async function grantLease(
  options: LeaseOptions,
  { uuid, leaseId }: Pick<LockRecord, 'uuid' | 'leaseId'>,
): Promise<Lease> {
  const { etcd, clock, ttlMs } = options;
  const identity = { uuid, leaseId, incarnation: 1 };
  const sentAtMs = clock.now();
  await etcd.grantLease(leaseId, Math.ceil(ttlMs / 1_000));
  const { revision } = await etcd.transact({
    when: [],
    then: [{ put: instanceKey(uuid), value: JSON.stringify(identity), leaseId }],
  });
  return new Lease(options, identity, sentAtMs, revision);
}

/**
 * Takes over the lease of an earlier process, which is thereby fenced: places are only made and
 * confirmed for the newest incarnation. Undefined if the lease is gone. Throws EtcdUnavailable.
 */
export async function resumeLease(
  options: LeaseOptions,
  { uuid, leaseId }: Pick<LockRecord, 'uuid' | 'leaseId'>,
): Promise<Lease | undefined> {
  const { etcd, clock } = options;
  const sentAtMs = clock.now();
  const ttlSeconds = await etcd.keepLeaseAlive(leaseId);
  if (ttlSeconds === 0) return undefined;
  // It may have been granted for less than is asked for today.
  const ttlMs = Math.min(options.ttlMs, ttlSeconds * 1_000);
  const key = instanceKey(uuid);
  const { found } = await read(etcd, key);
  const before = found && parseInstance(found.value);
  if (found === undefined || before === undefined) return undefined;
  const identity = { uuid, leaseId, incarnation: before.incarnation + 1 };
  const { succeeded, revision } = await etcd.transact({
    when: [
      { key, value: found.value },
      { key, leaseId },
    ],
    then: [{ put: key, value: JSON.stringify(identity), leaseId }],
  });
  return succeeded ? new Lease({ ...options, ttlMs }, identity, sentAtMs, revision) : undefined;
}

export class Lease {
  readonly uuid: string;
  readonly leaseId: string;
  readonly incarnation: number;
  /** Holds in etcd as long as the lease is ours: a condition for every place that is made. */
  readonly condition: { readonly key: string; readonly value: string };
  readonly #options: LeaseOptions;
  readonly #listeners = new Set<() => void>();
  #deadlineMs = 0;
  #loss: LossReason | undefined;
  #renewing = false;
  #soonMs: number | undefined;
  #cancelRenewal: () => void = () => undefined;
  #cancelDeadline: () => void = () => undefined;
  #stopWatch: (() => void) | undefined;

  constructor(options: LeaseOptions, identity: Identity, sentAtMs: number, revision: number) {
    this.uuid = identity.uuid;
    this.leaseId = identity.leaseId;
    this.incarnation = identity.incarnation;
    this.condition = { key: instanceKey(identity.uuid), value: JSON.stringify(identity) };
    this.#options = options;
    this.#extend(sentAtMs);
    this.#watch(revision);
    this.#renewAfter(options.ttlMs / 3);
  }

  /** By the clock; before it the lease is alive in etcd unless it was revoked. */
  deadlineMs(): number {
    return this.#deadlineMs;
  }

  /** Once false, for ever false. */
  isAlive(): boolean {
    if (this.#loss === undefined && this.#options.clock.now() >= this.#deadlineMs) {
      this.lose('unanswered');
    }
    return this.#loss === undefined;
  }

  get loss(): LossReason | undefined {
    return this.#loss;
  }

  /** Calls back once when the lease is lost. Returns how to call that off. */
  onLost(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  lose(reason: LossReason): void {
    if (this.#loss !== undefined) return;
    this.#loss = reason;
    this.#cancelRenewal();
    this.#cancelDeadline();
    this.#stopWatch?.();
    this.#options.onEvent({ type: 'lease-lost', reason });
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }

  /** Renews, and does what comes with it, before its time. */
  renewSoon(delayMs = retryMs): void {
    if (this.#renewing) this.#soonMs = delayMs;
    else this.#renewAfter(delayMs);
  }

  /**
   * Revokes a lease that is lost to us but may live on in etcd, and block its products: unless
   * another process has taken it over. Throws EtcdUnavailable.
   */
  async retire(): Promise<void> {
    const { etcd } = this.#options;
    const { found } = await read(etcd, this.condition.key);
    if (found !== undefined && found.value !== this.condition.value) return;
    await etcd.revokeLease(this.leaseId);
  }

  #extend(sentAtMs: number): void {
    const { clock, ttlMs } = this.#options;
    // The margin is for clocks that do not run equally fast.
    this.#deadlineMs = sentAtMs + ttlMs * 0.9;
    this.#watchDeadline(this.#deadlineMs - clock.now());
  }

  #watchDeadline(delayMs: number): void {
    this.#cancelDeadline();
    this.#cancelDeadline = this.#options.clock.after(delayMs, () => {
      // A timer may be a moment early.
      if (this.isAlive()) this.#watchDeadline(1);
    });
  }

  #renewAfter(delayMs: number): void {
    this.#cancelRenewal();
    if (this.#loss !== undefined) return;
    this.#cancelRenewal = this.#options.clock.after(delayMs, () => {
      this.#renewing = true;
      void this.#renew().then((nextMs) => {
        this.#renewing = false;
        this.#renewAfter(this.#soonMs ?? nextMs);
        this.#soonMs = undefined;
      });
    });
  }

  /** Resolves with the time until the next renewal. */
  async #renew(): Promise<number> {
    const { etcd, clock, ttlMs, onEvent, afterRenewal } = this.#options;
    const sentAtMs = clock.now();
    try {
      if ((await etcd.keepLeaseAlive(this.leaseId)) === 0) this.lose('expired');
      if (!this.isAlive()) return retryMs;
      this.#extend(sentAtMs);
      onEvent({ type: 'renewed' });
    } catch (error) {
      onEvent({ type: 'renewal-failed', error });
      return retryMs;
    }
    try {
      await this.#checkOwner();
      if (this.isAlive()) await afterRenewal(this);
      return ttlMs / 3 - (clock.now() - sentAtMs);
    } catch {
      return retryMs;
    }
  }

  async #checkOwner(): Promise<void> {
    const { found, revision } = await read(this.#options.etcd, this.condition.key);
    if (found === undefined) this.lose('expired');
    else if (found.value !== this.condition.value) this.lose('superseded');
    else if (this.#stopWatch === undefined) this.#watch(revision);
  }

  /** So that a revoked lease is noticed at once, not at the next renewal. */
  #watch(revision: number): void {
    this.#stopWatch = this.#options.etcd.watch(
      { key: this.condition.key, fromRevision: revision + 1 },
      {
        onEvent: () => {
          this.renewSoon(0);
        },
        onBroken: () => {
          this.#stopWatch = undefined;
          this.renewSoon();
        },
      },
    );
  }
}
