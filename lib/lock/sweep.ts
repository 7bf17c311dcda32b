// Compares what hangs on the lease in etcd with what should: a lock whose place somebody deleted
// is lost, and a place that nobody here knows of (its release or the answer to its making was lost,
// or an earlier process left it) is given up, or it would block the product for ever.

import type { EtcdClient } from '#lib/etcd/etcd.ts';
import { removePlace } from './fair-lock.ts';
import type { Hold } from './held-lock.ts';
import { productOfPlace, read } from './keys.ts';
import type { Lease } from './lease.ts';

export interface SweepOptions {
  readonly etcd: EtcdClient;
  readonly lease: Lease;
  readonly holds: readonly Hold[];
  /** Whether somebody here has, or is about to have, a place in the product's queue. */
  readonly isTaken: (productId: string) => boolean;
  /** False while an earlier process's places may still be taken up. */
  readonly removeUnknown: boolean;
}

/** Throws EtcdUnavailable. */
export async function sweep(options: SweepOptions): Promise<void> {
  const { etcd, lease, holds, isTaken, removeUnknown } = options;
  const keys = new Set(await etcd.leaseKeys(lease.leaseId));
  for (const hold of holds) {
    if (keys.has(hold.place.key)) await hold.refresh();
    else hold.lose();
  }
  if (!removeUnknown) return;
  for (const key of keys) {
    const productId = productOfPlace(key);
    if (productId === undefined || isTaken(productId)) continue;
    const { found } = await read(etcd, key);
    // Taken meanwhile: then `found` may be the new place.
    if (found === undefined || isTaken(productId)) continue;
    await removePlace(etcd, found);
  }
}
