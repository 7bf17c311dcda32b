// The keys in etcd and what is in them.
//
//   /seckill/locks/<productId>/<uuid>   one place in a product's queue
//   /seckill/instances/<uuid>           which process the lease and its places belong to

import type { EtcdClient, KeyValue } from '#lib/etcd/etcd.ts';

const locks = '/seckill/locks/';
const instances = '/seckill/instances/';

/** One place in a product's queue; the oldest place has the lock. */
export interface PlaceValue {
  readonly uuid: string;
  readonly productId: string;
  readonly leaseId: string;
  readonly incarnation: number;
  /** Counts the places this process has queued: no two have the same value. */
  readonly turn: number;
}

export interface InstanceValue {
  readonly uuid: string;
  readonly leaseId: string;
  /** How many processes have used this lease one after the other. */
  readonly incarnation: number;
}

/** Ends in `/`, or the queue of `shoe` would hold the places of `shoe-2`. */
export function queuePrefix(productId: string): string {
  return `${locks}${productId}/`;
}

export function placeKey(productId: string, uuid: string): string {
  return `${queuePrefix(productId)}${uuid}`;
}

export function instanceKey(uuid: string): string {
  return `${instances}${uuid}`;
}

/** The product whose queue the place is in; undefined for another key. */
export function productOfPlace(key: string): string | undefined {
  return key.startsWith(locks) ? key.slice(locks.length).split('/')[0] : undefined;
}

/** Undefined if it is not of the shape that is written here. */
export function parsePlace(text: string): PlaceValue | undefined {
  const value = parseObject(text) as Partial<PlaceValue> | undefined;
  return value !== undefined && hasOwner(value) && Number.isSafeInteger(value.turn)
    ? (value as PlaceValue)
    : undefined;
}

/** Undefined if it is not of the shape that is written here. */
export function parseInstance(text: string): InstanceValue | undefined {
  const value = parseObject(text) as Partial<InstanceValue> | undefined;
  return value !== undefined && hasOwner(value) ? (value as InstanceValue) : undefined;
}

/** A linearizable read of one key. */
export async function read(
  etcd: EtcdClient,
  key: string,
): Promise<{ found: KeyValue | undefined; revision: number }> {
  const { reads, revision } = await etcd.transact({ when: [], then: [{ get: key }] });
  return { found: reads[0]?.[0], revision };
}

function parseObject(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function hasOwner({ uuid, leaseId, incarnation }: Partial<InstanceValue>): boolean {
  return (
    typeof uuid === 'string' && typeof leaseId === 'string' && Number.isSafeInteger(incarnation)
  );
}
