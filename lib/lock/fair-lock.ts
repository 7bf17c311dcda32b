// The queue for one product in etcd: the oldest place has the lock. Each step is one transaction;
// a waiter watches nothing but the place before its own, so that one release wakes one waiter.

import { type EtcdClient, type KeyValue, LeaseNotFound } from '#lib/etcd/etcd.ts';
import { parsePlace, placeKey, queuePrefix } from './keys.ts';
import type { Lease } from './lease.ts';

/** A place in a queue, as it is in etcd. */
export interface Place {
  readonly productId: string;
  readonly key: string;
  readonly value: string;
  readonly leaseId: string;
  readonly createRevision: number;
}

/** What surrounds a place, at a revision of etcd. */
export interface Standing {
  readonly place: Place;
  /** The key of the next older place; without one, the lock is ours. */
  readonly ahead: string | undefined;
  readonly behind: boolean;
  readonly revision: number;
}

/** The place, or the lease it hangs on, is gone. */
export class PlaceLost extends Error {
  override readonly name = 'PlaceLost';
}

export interface QueueOptions {
  readonly etcd: EtcdClient;
  readonly lease: Lease;
  readonly productId: string;
}

/** So often may something else turn up under our own key before we give in. */
const attemptsMax = 3;

/**
 * Takes the last place, or takes up the one that an earlier process left on the same lease.
 * `turn` is new for each call. Throws EtcdUnavailable (and a place may be left) and PlaceLost.
 */
export async function enqueue(options: QueueOptions & { turn: number }): Promise<Standing> {
  const { lease, productId, turn } = options;
  const { uuid, leaseId, incarnation } = lease;
  const key = placeKey(productId, uuid);
  const value = JSON.stringify({ uuid, productId, leaseId, incarnation, turn });
  try {
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const standing = await tryEnqueue(options, { productId, key, value, leaseId });
      if (standing !== undefined) return standing;
    }
  } catch (error) {
    if (!(error instanceof LeaseNotFound)) throw error;
    lease.lose('expired');
  }
  throw new PlaceLost(`no place for ${productId}`);
}

async function tryEnqueue(
  { etcd, lease }: QueueOptions,
  wanted: Omit<Place, 'createRevision'>,
): Promise<Standing | undefined> {
  const { productId, key, value, leaseId } = wanted;
  const { succeeded, reads, revision } = await etcd.transact({
    when: [{ key, absent: true }, lease.condition],
    then: [
      { put: key, value, leaseId },
      { list: queuePrefix(productId), order: 'newest', limit: 2 },
    ],
    otherwise: [{ get: key }, { get: lease.condition.key }],
  });
  if (succeeded) {
    const place = { ...wanted, createRevision: revision };
    return { place, ahead: reads[1]?.[1]?.key, behind: false, revision };
  }
  const [found] = reads[0] ?? [];
  const [instance] = reads[1] ?? [];
  if (instance?.value !== lease.condition.value) {
    lease.lose(instance === undefined ? 'expired' : 'superseded');
    throw new PlaceLost(`the lease for ${productId} is no longer ours`);
  }
  return found === undefined ? undefined : await meetOwn({ etcd, lease, productId }, wanted, found);
}

/** There is a place under our own name already. Undefined: try again. */
async function meetOwn(
  { etcd, lease, productId }: QueueOptions,
  wanted: Omit<Place, 'createRevision'>,
  found: KeyValue,
): Promise<Standing | undefined> {
  const { key, value, leaseId } = wanted;
  const place = { ...wanted, createRevision: found.createRevision };
  // Ours, from a first try whose answer was lost.
  if (found.value === value) return await look(etcd, place);

  const left = parsePlace(found.value);
  if (left?.uuid !== lease.uuid || found.leaseId !== leaseId) {
    throw new PlaceLost(`a place for ${productId} under our name is not ours`);
  }
  if (left.incarnation >= lease.incarnation) {
    // An earlier turn's, which it could not give up. It would be unfair to take it up.
    await removePlace(etcd, found);
    return undefined;
  }
  const { succeeded } = await etcd.transact({
    when: [{ key, value: found.value }, { key, leaseId }, lease.condition],
    then: [{ put: key, value, leaseId }],
  });
  return succeeded ? await look(etcd, place) : undefined;
}

/** How the place stands now; undefined if it is no longer there or no longer ours. */
export async function look(etcd: EtcdClient, place: Place): Promise<Standing | undefined> {
  const { productId, key, value, createRevision } = place;
  const list = queuePrefix(productId);
  const { succeeded, reads, revision } = await etcd.transact({
    when: [
      { key, value },
      { key, createRevision },
    ],
    then: [
      { list, order: 'newest', limit: 1, createdBefore: createRevision },
      { list, order: 'oldest', limit: 1, createdAfter: createRevision },
    ],
  });
  if (!succeeded) return undefined;
  return { place, ahead: reads[0]?.[0]?.key, behind: reads[1]?.[0] !== undefined, revision };
}

export interface WaitOptions {
  readonly etcd: EtcdClient;
  readonly lease: Lease;
  readonly signal: AbortSignal;
  readonly onWoken: () => void;
}

/**
 * Resolves once no place is older. Throws PlaceLost, EtcdUnavailable, or the signal's reason; the
 * place is then still to be given up.
 */
export async function untilFirst(first: Standing, options: WaitOptions): Promise<Standing> {
  let standing = first;
  while (standing.ahead !== undefined) {
    const gone = await untilGone(standing.ahead, standing.revision + 1, options);
    if (gone) options.onWoken();
    const next = await look(options.etcd, standing.place);
    if (next === undefined) throw new PlaceLost('the place in the queue is gone');
    standing = next;
  }
  return standing;
}

/** True once the key was deleted; false if that can no longer be watched for. */
function untilGone(
  key: string,
  fromRevision: number,
  { etcd, lease, signal }: WaitOptions,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void) => {
      stopWatch();
      offLost();
      signal.removeEventListener('abort', onAbort);
      finish();
    };
    const onGone = (deleted: boolean) => {
      settle(() => {
        resolve(deleted);
      });
    };
    const onAbort = () => {
      settle(() => {
        reject(signal.reason as Error);
      });
    };
    const onLost = () => {
      settle(() => {
        reject(new PlaceLost('the lease is lost'));
      });
    };
    const stopWatch = etcd.watch(
      { key, fromRevision, only: 'delete' },
      {
        onEvent: () => {
          onGone(true);
        },
        onBroken: () => {
          onGone(false);
        },
      },
    );
    const offLost = lease.onLost(onLost);
    signal.addEventListener('abort', onAbort);
    // Either may have happened before anybody listened.
    if (signal.aborted) onAbort();
    else if (!lease.isAlive()) onLost();
  });
}

/** Deletes this very place; what another put there since stays. Throws EtcdUnavailable. */
export async function removePlace(
  etcd: EtcdClient,
  { key, value, leaseId, createRevision }: Omit<Place, 'productId'>,
): Promise<void> {
  await etcd.transact({
    when: [
      { key, value },
      { key, leaseId },
      { key, createRevision },
    ],
    then: [{ delete: key }],
  });
}
