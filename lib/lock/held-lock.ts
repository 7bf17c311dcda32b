// A lock that was granted. It is held until its lease's deadline, and notices by itself when it is
// lost and when somebody else queues for it.

import { crashPoint } from '#lib/crash-point.ts';
import type { EtcdClient } from '#lib/etcd/etcd.ts';
import { look, type Place, removePlace, type Standing } from './fair-lock.ts';
import { queuePrefix } from './keys.ts';
import type { Lease } from './lease.ts';
import type { HeldLock, LockEvent, Token } from './lock.ts';

export interface HoldOptions {
  readonly etcd: EtcdClient;
  readonly lease: Lease;
  readonly onEvent: (event: LockEvent) => void;
  /** Whether somebody in this process waits for the product. */
  readonly othersWaitHere: () => boolean;
  /** Called once, when the lock is lost or its release is done. */
  readonly onOver: () => void;
}

export class Hold implements HeldLock {
  readonly productId: string;
  readonly token: Token;
  readonly place: Place;
  readonly #options: HoldOptions;
  readonly #lost = new AbortController();
  readonly #offLeaseLost: () => void;
  #behind: boolean;
  #onContended: (() => void)[] = [];
  #watching = false;
  #stopWatch: () => void = () => undefined;
  #released: Promise<void> | undefined;

  constructor(options: HoldOptions, { place, behind }: Standing) {
    this.productId = place.productId;
    this.token = { revision: place.createRevision, incarnation: options.lease.incarnation };
    this.place = place;
    this.#options = options;
    this.#behind = behind;
    this.#offLeaseLost = options.lease.onLost(() => {
      this.lose();
    });
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  deadlineMs(): number {
    return this.#options.lease.deadlineMs();
  }

  isHeld(): boolean {
    return (
      this.#released === undefined && this.#options.lease.isAlive() && !this.#lost.signal.aborted
    );
  }

  othersWait(): boolean {
    return this.#behind || this.#options.othersWaitHere();
  }

  async confirm(): Promise<boolean> {
    if (!this.isHeld()) return false;
    const standing = await look(this.#options.etcd, this.place);
    if (standing === undefined) this.lose();
    return this.isHeld();
  }

  release(): Promise<void> {
    if (this.isHeld()) {
      this.#end();
      this.#released = this.#release();
    }
    return this.#released ?? Promise.resolve();
  }

  onContended(listener: () => void): void {
    this.#onContended.push(listener);
    if (this.othersWait()) this.contend();
  }

  /** Somebody waits. */
  contend(): void {
    for (const listener of this.#onContended.splice(0)) listener();
  }

  lose(): void {
    if (this.#released !== undefined || this.#lost.signal.aborted) return;
    this.#end();
    // First, so that whoever learns of the loss may acquire the lock anew.
    this.#options.onOver();
    this.#lost.abort();
  }

  /**
   * Watches for others from a revision on: one watch on the whole queue, and only while nobody is
   * known to wait.
   */
  watch(revision: number): void {
    if (this.#behind || !this.isHeld()) return;
    const { createRevision } = this.place;
    this.#watching = true;
    this.#stopWatch = this.#options.etcd.watch(
      {
        key: queuePrefix(this.productId),
        prefix: true,
        fromRevision: revision + 1,
        only: 'put',
      },
      {
        onEvent: (event) => {
          if (event.createRevision <= createRevision) return;
          this.#behind = true;
          this.#stopWatch();
          this.contend();
        },
        onBroken: () => {
          this.#watching = false;
          this.#options.lease.renewSoon();
        },
      },
    );
  }

  /** Looks again if the watch broke. Throws EtcdUnavailable. */
  async refresh(): Promise<void> {
    if (this.#watching || this.#behind || !this.isHeld()) return;
    const standing = await look(this.#options.etcd, this.place);
    if (!this.isHeld()) return;
    if (standing === undefined) {
      this.lose();
      return;
    }
    this.#behind = standing.behind;
    if (this.#behind) this.contend();
    this.watch(standing.revision);
  }

  async #release(): Promise<void> {
    const { etcd, lease, onEvent, onOver } = this.#options;
    const { productId } = this;
    try {
      crashPoint('lock.before-release');
      await removePlace(etcd, this.place);
      crashPoint('lock.released');
    } catch (error) {
      onEvent({ type: 'release-delayed', productId, error });
      // What is left behind is swept with the next renewal.
      lease.renewSoon();
    } finally {
      onOver();
    }
  }

  #end(): void {
    this.#offLeaseLost();
    this.#stopWatch();
    this.#onContended = [];
  }
}
