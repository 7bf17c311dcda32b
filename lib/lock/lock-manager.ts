// The locks of one instance: one lease, one write-ahead record, any number of products. It always
// has a lease or is trying to get one; what hung on a lost lease is queued for anew.

import { productIdPattern } from '#lib/constants.ts';
import { crashPoint } from '#lib/crash-point.ts';
import { EtcdUnavailable } from '#lib/etcd/etcd.ts';
import {
  enqueue,
  type Place,
  PlaceLost,
  removePlace,
  type Standing,
  untilFirst,
} from './fair-lock.ts';
import { Hold } from './held-lock.ts';
import { grantLease, type Lease, type LeaseOptions, resumeLease, retryMs } from './lease.ts';
import {
  type AcquireOptions,
  type HeldLock,
  type LockEvent,
  type LockManager,
  type LockManagerOptions,
  LockManagerStopped,
  type LockState,
} from './lock.ts';
import { sweep } from './sweep.ts';
import { randomIds, systemClock } from './system.ts';
import { createTurns } from './turns.ts';
import { type LockRecord, openWriteAhead, type WriteAhead } from './write-ahead.ts';

/** An acquire that loses its place so often is told that etcd is unavailable. */
const lossesMax = 5;

/** Does nothing until it is started or a lock is acquired. */
export function createLockManager(options: LockManagerOptions): LockManager {
  return new Manager(options);
}

class Manager implements LockManager {
  readonly #options: Required<LockManagerOptions>;
  readonly #leaseOptions: LeaseOptions;
  readonly #writeAhead: WriteAhead;
  readonly #turns = createTurns();
  readonly #holds = new Map<string, Hold>();
  readonly #stopped = new AbortController();
  readonly #counts = { ok: 0, failed: 0, leasesLost: 0, waiting: 0, wakeUps: 0 };
  #lease: Promise<Lease> | undefined;
  /** Lost to us, but perhaps alive in etcd. */
  #former: Lease | undefined;
  #found: LockRecord | undefined;
  #interrupted: readonly string[] | undefined;
  /** Until then, places of an earlier process may be taken up. */
  #claimUntilMs = 0;
  #turn = 0;
  #cancelReopen: () => void = () => undefined;

  constructor(options: LockManagerOptions) {
    const onEvent = (event: LockEvent) => {
      this.#count(event);
      options.onEvent?.(event);
    };
    this.#options = { clock: systemClock, ids: randomIds, ...options, onEvent };
    const { etcd, ttlMs, clock } = this.#options;
    this.#leaseOptions = {
      etcd,
      ttlMs,
      clock,
      onEvent,
      afterRenewal: (lease) => this.#sweep(lease),
    };
    this.#writeAhead = openWriteAhead(options.directory, (found) => {
      onEvent({ type: 'record-set-aside', found });
    });
  }

  async start(): Promise<readonly string[]> {
    await this.#currentLease();
    return this.#interrupted ?? [];
  }

  async acquire(productId: string, { signal }: AcquireOptions = {}): Promise<HeldLock> {
    if (!productIdPattern.test(productId)) throw new RangeError('malformed product id');
    const { clock, onEvent } = this.#options;
    const stopped = this.#stopped.signal;
    const ended = signal === undefined ? stopped : AbortSignal.any([signal, stopped]);
    const sinceMs = clock.now();
    this.#counts.waiting += 1;
    try {
      this.#holds.get(productId)?.contend();
      await this.#turns.take(productId, ended);
      const hold = await this.#queue(productId, ended);
      onEvent({ type: 'acquired', productId, waitedMs: clock.now() - sinceMs });
      return hold;
    } finally {
      this.#counts.waiting -= 1;
    }
  }

  giveUpUnclaimed(): void {
    const now = this.#options.clock.now();
    if (now >= this.#claimUntilMs) return;
    this.#claimUntilMs = now;
    this.#lease?.then(
      (lease) => {
        lease.renewSoon(0);
      },
      () => undefined,
    );
  }

  state(): LockState {
    const { ok, failed, leasesLost, waiting, wakeUps } = this.#counts;
    const held = [...this.#holds.values()].filter((hold) => hold.isHeld()).length;
    return { renewals: { ok, failed }, leasesLost, held, waiting, wakeUps };
  }

  async stop(): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    this.#stopped.abort(new LockManagerStopped('the lock manager has been stopped'));
    this.#cancelReopen();
    const lease = await this.#lease?.catch(() => undefined);
    lease?.lose('stopped');
    try {
      await lease?.retire();
      await this.#former?.retire();
      await this.#writeAhead.clear();
    } catch {
      // The lease ends by itself, and the record tells the next process what there was.
    }
  }

  /** With the turn for the product, which is given back on failure. */
  async #queue(productId: string, signal: AbortSignal): Promise<Hold> {
    try {
      for (let losses = 0; ; losses += 1) {
        signal.throwIfAborted();
        const lease = await this.#currentLease();
        try {
          return await this.#queueOn(lease, productId, signal);
        } catch (error) {
          if (!(error instanceof PlaceLost)) throw error;
          if (losses === lossesMax) throw new EtcdUnavailable('lock queue', { cause: error });
        }
      }
    } catch (error) {
      this.#turns.give(productId);
      throw error;
    }
  }

  async #queueOn(lease: Lease, productId: string, signal: AbortSignal): Promise<Hold> {
    const { etcd, onEvent } = this.#options;
    await this.#writeAhead.include(productId);
    this.#turn += 1;
    let last: Standing | undefined;
    try {
      last = await enqueue({ etcd, lease, productId, turn: this.#turn });
      crashPoint('lock.queued');
      const onWoken = () => {
        onEvent({ type: 'woken', productId });
      };
      const first = await untilFirst(last, { etcd, lease, signal, onWoken });
      signal.throwIfAborted();
      if (!lease.isAlive()) throw new PlaceLost('the lease is lost');
      return this.#hold(lease, first);
    } catch (error) {
      await this.#leave(lease, last?.place);
      throw error;
    }
  }

  /** Gives up a place; one that was perhaps made, or cannot be given up now, is swept soon. */
  async #leave(lease: Lease, place: Place | undefined): Promise<void> {
    try {
      if (place === undefined) lease.renewSoon();
      else await removePlace(this.#options.etcd, place);
    } catch {
      lease.renewSoon();
    }
  }

  #hold(lease: Lease, standing: Standing): Hold {
    const { etcd, onEvent } = this.#options;
    const { productId } = standing.place;
    const hold = new Hold(
      {
        etcd,
        lease,
        onEvent,
        othersWaitHere: () => this.#turns.waiting(productId) > 0,
        onOver: () => {
          this.#holds.delete(productId);
          this.#turns.give(productId);
        },
      },
      standing,
    );
    this.#holds.set(productId, hold);
    hold.watch(standing.revision);
    return hold;
  }

  #currentLease(): Promise<Lease> {
    if (this.#lease === undefined) {
      const opening = this.#open();
      this.#lease = opening;
      opening.catch(() => {
        if (this.#lease === opening) this.#lease = undefined;
      });
    }
    return this.#lease;
  }

  async #open(): Promise<Lease> {
    this.#stopped.signal.throwIfAborted();
    if (this.#interrupted === undefined) {
      this.#found = await this.#writeAhead.read();
      this.#interrupted = this.#found?.products ?? [];
    }
    if (this.#former !== undefined) {
      await this.#former.retire();
      this.#former = undefined;
    }
    const lease = (await this.#resume()) ?? (await this.#grant());
    lease.onLost(() => {
      this.#lease = undefined;
      if (lease.loss === 'stopped') return;
      this.#former = lease;
      this.#reopenAfter(0);
    });
    return lease;
  }

  async #resume(): Promise<Lease | undefined> {
    if (this.#found === undefined) return undefined;
    const lease = await resumeLease(this.#leaseOptions, this.#found);
    this.#found = undefined;
    if (lease === undefined) return undefined;
    const { clock, ttlMs, onEvent } = this.#options;
    this.#claimUntilMs = clock.now() + ttlMs / 3;
    crashPoint('lock.lease-resumed');
    onEvent({ type: 'lease-resumed' });
    return lease;
  }

  async #grant(): Promise<Lease> {
    const { ids, onEvent } = this.#options;
    const names = { uuid: ids.uuid(), leaseId: ids.leaseId() };
    await this.#writeAhead.begin(names.uuid, names.leaseId);
    crashPoint('lock.recorded');
    const lease = await grantLease(this.#leaseOptions, names);
    crashPoint('lock.lease-granted');
    onEvent({ type: 'lease-granted' });
    return lease;
  }

  #reopenAfter(delayMs: number): void {
    this.#cancelReopen = this.#options.clock.after(delayMs, () => {
      this.#currentLease().catch(() => {
        if (!this.#stopped.signal.aborted) this.#reopenAfter(retryMs);
      });
    });
  }

  async #sweep(lease: Lease): Promise<void> {
    const { etcd, clock } = this.#options;
    await sweep({
      etcd,
      lease,
      holds: [...this.#holds.values()],
      isTaken: (productId) => this.#turns.isTaken(productId),
      removeUnknown: clock.now() >= this.#claimUntilMs,
    });
  }

  #count(event: LockEvent): void {
    if (event.type === 'renewed') this.#counts.ok += 1;
    else if (event.type === 'renewal-failed') this.#counts.failed += 1;
    else if (event.type === 'lease-lost') this.#counts.leasesLost += 1;
    else if (event.type === 'woken') this.#counts.wakeUps += 1;
  }
}
