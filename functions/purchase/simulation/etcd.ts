// etcd as `lib/etcd` offers it: revisions, leases, transactions and watches in virtual time. It may be
// replaced by an empty one, whose revisions start again.

import {
  type Compare,
  type EtcdClient,
  EtcdUnavailable,
  type KeyValue,
  LeaseNotFound,
  type Operation,
  type TransactionResult,
} from '#lib/etcd/etcd.ts';
import { createWatchers, type Watchers } from './etcd-watches.ts';
import type { Network } from './network.ts';
import type { Random } from './random.ts';
import { current, type VirtualTime } from './virtual-time.ts';

/** What the shipped client waits for an answer, retries included. */
const callTimeoutMs = 2_500;

export interface SimulatedEtcd {
  /** For the process that is running. */
  readonly connect: () => EtcdClient;
  /** An empty one takes its place: every key, lease and watch is gone. */
  readonly replace: () => void;
  /** Ends a lease before its time, as an operator may. */
  readonly revokeAnyLease: () => void;
}

interface Lease {
  readonly id: string;
  readonly ttlMs: number;
  cancelExpiry: () => void;
}

/** The store behind all clients. */
class Store {
  revision = 1;
  readonly keys = new Map<string, KeyValue>();
  readonly leases = new Map<string, Lease>();
  readonly watchers: Watchers;
  readonly #time: VirtualTime;
  readonly #random: Random;

  constructor(time: VirtualTime, network: Network, random: Random) {
    this.#time = time;
    this.#random = random;
    this.watchers = createWatchers(time, network, random);
  }

  grant(id: string, ttlSeconds: number): void {
    if (this.leases.has(id)) throw new EtcdUnavailable('grant', { cause: new Error('taken') });
    const lease = { id, ttlMs: ttlSeconds * 1_000, cancelExpiry: () => undefined };
    this.leases.set(id, lease);
    this.#renew(lease);
  }

  keepAlive(id: string): number {
    const lease = this.leases.get(id);
    if (lease === undefined) return 0;
    this.#renew(lease);
    return lease.ttlMs / 1_000;
  }

  revoke(id: string): void {
    const lease = this.leases.get(id);
    if (lease === undefined) return;
    lease.cancelExpiry();
    this.leases.delete(id);
    const attached = [...this.keys.values()].filter(({ leaseId }) => leaseId === id);
    if (attached.length > 0) this.revision += 1;
    for (const { key } of attached) this.#delete(key);
  }

  transact(
    when: readonly Compare[],
    then: readonly Operation[],
    otherwise: readonly Operation[],
  ): TransactionResult {
    const succeeded = when.every((compare) => this.#holds(compare));
    const operations = succeeded ? then : otherwise;
    for (const operation of operations) {
      if ('put' in operation && !this.leases.has(operation.leaseId)) throw new LeaseNotFound();
    }
    if (operations.some((operation) => 'put' in operation || 'delete' in operation)) {
      this.revision += 1;
    }
    const reads = operations.map((operation) => this.#apply(operation));
    return { succeeded, revision: this.revision, reads };
  }

  /** etcd ends leases once their time is over, and not at once. */
  #renew(lease: Lease): void {
    lease.cancelExpiry();
    lease.cancelExpiry = this.#time.after(lease.ttlMs + this.#random.between(0, 1_000), () => {
      this.#time.note(`etcd: a lease expires`);
      this.revoke(lease.id);
    });
  }

  #holds(compare: Compare): boolean {
    const found = this.keys.get(compare.key);
    if ('absent' in compare) return found === undefined;
    if ('value' in compare) return found?.value === compare.value;
    if ('createRevision' in compare) return found?.createRevision === compare.createRevision;
    return found?.leaseId === compare.leaseId;
  }

  #apply(operation: Operation): readonly KeyValue[] {
    if ('put' in operation) {
      const { put: key, value, leaseId } = operation;
      const createRevision = this.keys.get(key)?.createRevision ?? this.revision;
      this.keys.set(key, { key, value, leaseId, createRevision });
      this.watchers.happened({ key, createRevision, revision: this.revision, kind: 'put' });
      return [];
    }
    if ('delete' in operation) {
      if (this.keys.has(operation.delete)) this.#delete(operation.delete);
      return [];
    }
    if ('get' in operation) {
      const found = this.keys.get(operation.get);
      return found === undefined ? [] : [found];
    }
    const { list, order, limit, createdBefore = Infinity, createdAfter = 0 } = operation;
    const sign = order === 'oldest' ? 1 : -1;
    return [...this.keys.values()]
      .filter(({ key }) => key.startsWith(list))
      .filter(({ createRevision: made }) => made < createdBefore && made > createdAfter)
      .sort((one, other) => sign * (one.createRevision - other.createRevision))
      .slice(0, limit);
  }

  #delete(key: string): void {
    this.keys.delete(key);
    this.watchers.happened({ key, createRevision: 0, revision: this.revision, kind: 'delete' });
  }
}

export function createEtcd(time: VirtualTime, network: Network, random: Random): SimulatedEtcd {
  let store = new Store(time, network, random);

  function ask<T>(step: string, effect: (store: Store) => T): Promise<T> {
    return network.call<T>('etcd', step, {
      timeoutMs: callTimeoutMs,
      errorOf: (reason) => new EtcdUnavailable(step, { cause: new Error(reason) }),
      serve: () => effect(store),
    });
  }

  return {
    connect: () => ({
      transact: ({ when, then, otherwise = [] }) =>
        ask(stepOf(then), (asked) => asked.transact(when, then, otherwise)),
      grantLease: (id, seconds) =>
        ask('lease granted', (asked) => {
          asked.grant(id, seconds);
        }),
      keepLeaseAlive: (id) => ask('lease renewed', (asked) => asked.keepAlive(id)),
      revokeLease: (id) =>
        ask('lease revoked', (asked) => {
          asked.revoke(id);
        }),
      leaseKeys: (id) =>
        ask('lease keys read', ({ keys }) =>
          [...keys.values()].filter(({ leaseId }) => leaseId === id).map(({ key }) => key),
        ),
      watch(request, listener) {
        const running = current();
        if (running === undefined) throw new Error('nobody runs who could watch');
        return store.watchers.watch(running.process, request, listener);
      },
      close: () => undefined,
    }),
    replace() {
      time.note('etcd is replaced by an empty one');
      const { watchers, leases } = store;
      for (const { cancelExpiry } of leases.values()) cancelExpiry();
      store = new Store(time, network, random);
      watchers.breakAll();
    },
    revokeAnyLease() {
      const ids = [...store.leases.keys()];
      if (ids.length === 0) return;
      time.note('etcd: a lease is revoked');
      store.revoke(random.pick(ids));
    },
  };
}

/** What a transaction is for, as far as its first operation tells. */
function stepOf([first]: readonly Operation[]): string {
  if (first === undefined) return 'nothing done';
  if ('put' in first) return first.put.includes('/locks/') ? 'place taken' : 'instance noted';
  if ('delete' in first) return 'place given up';
  return 'get' in first ? 'key read' : 'queue read';
}
