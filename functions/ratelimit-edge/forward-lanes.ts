// Who waits to be sent, and who is sent next. Each product has a lane; lanes take turns, one batch
// each, so that none waits for another's crowd. Products that nothing has shown to exist share few
// places. Nobody waits longer than they may.

import {
  batchOrdersMax,
  edgeBatchesInFlightMax,
  edgeBatchesInFlightPerProduct,
  edgeForwardTimeoutMs,
  edgeQueueMax,
  edgeQueuePerProductMax,
  edgeRequestTimeoutMs,
  edgeUnknownBatchesInFlightMax,
  edgeUnknownQueueMax,
} from '#lib/constants.ts';

/** What is left of a request's time when its batch takes all of its own. */
export const queueTimeMaxMs = edgeRequestTimeoutMs - edgeForwardTimeoutMs;

/** Something that is to be sent. */
export interface Waiting {
  /** By `performance.now()`; it is then refused. */
  readonly giveUpAtMs: number;
  /** It has not been sent, and in so long there may be a place. */
  readonly refuse: (placeInMs: number) => void;
}

export interface Batch<Item extends Waiting> {
  readonly productId: string;
  readonly items: readonly Item[];
  /** Its place is free again; `showsProduct`: the answer has shown that the product exists. */
  readonly ended: (showsProduct: boolean) => void;
}

interface Lane<Item extends Waiting> {
  readonly productId: string;
  readonly waiting: Item[];
  pool: Pool<Item>;
  inFlight: number;
  expiry: NodeJS.Timeout | undefined;
  /** How long the last batch took that has ended. */
  batchMs: number;
  /** When it was opened, a batch has ended, or one began while none was in flight. */
  movedAtMs: number;
}

/** What lanes share, and how much of it. */
interface Pool<Item extends Waiting> {
  readonly inFlightMax: number;
  readonly inFlightPerProduct: number;
  /** A product gets a second batch, and further ones, only while fewer are in flight. */
  readonly furtherBelow: number;
  readonly waitingMax: number;
  readonly waitingPerProductMax: number;
  inFlight: number;
  waiting: number;
  /** Lanes with something to send that are below their own limit, in turn. */
  readonly wanting: Set<Lane<Item>>;
}

export class Lanes<Item extends Waiting> {
  readonly #lanes = new Map<string, Lane<Item>>();
  readonly #known: Pool<Item> = {
    inFlightMax: edgeBatchesInFlightMax - edgeUnknownBatchesInFlightMax,
    inFlightPerProduct: edgeBatchesInFlightPerProduct,
    furtherBelow: edgeBatchesInFlightMax / 2,
    waitingMax: edgeQueueMax,
    waitingPerProductMax: edgeQueuePerProductMax,
    ...{ inFlight: 0, waiting: 0, wanting: new Set() },
  };
  readonly #unknown: Pool<Item> = {
    inFlightMax: edgeUnknownBatchesInFlightMax,
    inFlightPerProduct: 1,
    furtherBelow: 0,
    waitingMax: edgeUnknownQueueMax,
    waitingPerProductMax: edgeUnknownQueueMax,
    ...{ inFlight: 0, waiting: 0, wanting: new Set() },
  };

  /** What it holds now, of products that are known and of others: what waits, and batches. */
  get load() {
    const loadOf = ({ waiting, inFlight, wanting }: Pool<Item>) => {
      return { waiting, inFlight, wanting: wanting.size };
    };
    const [known, unknown] = [loadOf(this.#known), loadOf(this.#unknown)];
    return { lanes: this.#lanes.size, known, unknown };
  }

  /** Adds something to send, or refuses it where there is no place. */
  add(productId: string, isKnown: boolean, item: Item): void {
    const known = this.#lanes.get(productId);
    if (known !== undefined && isKnown) this.#promote(known);
    const pool = known?.pool ?? (isKnown ? this.#known : this.#unknown);
    if (pool.waiting >= pool.waitingMax) {
      // Whatever waits now has been sent or refused by then.
      item.refuse(queueTimeMaxMs);
      return;
    }
    const lane = known ?? this.#open(productId, pool);
    if (lane.waiting.length >= pool.waitingPerProductMax) {
      item.refuse(placeInMs(lane));
      return;
    }
    lane.waiting.push(item);
    pool.waiting += 1;
    this.#queue(lane);
    this.#expireLater(lane);
  }

  /** The next batch that may go now, or undefined where none may. */
  next(): Batch<Item> | undefined {
    return this.#nextOf(this.#known) ?? this.#nextOf(this.#unknown);
  }

  #nextOf(pool: Pool<Item>): Batch<Item> | undefined {
    if (pool.inFlight >= pool.inFlightMax) return undefined;
    for (const lane of pool.wanting) {
      if (lane.inFlight > 0 && pool.inFlight >= pool.furtherBelow) continue;
      return this.#begin(lane);
    }
    return undefined;
  }

  #begin(lane: Lane<Item>): Batch<Item> {
    const { pool, productId } = lane;
    const items = lane.waiting.splice(0, batchOrdersMax);
    const startedAtMs = performance.now();
    if (lane.inFlight === 0) lane.movedAtMs = startedAtMs;
    pool.waiting -= items.length;
    pool.inFlight += 1;
    lane.inFlight += 1;
    pool.wanting.delete(lane);
    this.#queue(lane);
    this.#expireLater(lane);
    const ended = (showsProduct: boolean) => {
      lane.movedAtMs = performance.now();
      lane.batchMs = lane.movedAtMs - startedAtMs;
      lane.inFlight -= 1;
      lane.pool.inFlight -= 1;
      if (showsProduct) this.#promote(lane);
      this.#queue(lane);
      this.#closeIdle(lane);
    };
    return { productId, items, ended };
  }

  #open(productId: string, pool: Pool<Item>): Lane<Item> {
    const movedAtMs = performance.now();
    const state = { waiting: [], inFlight: 0, expiry: undefined, batchMs: 0, movedAtMs };
    const lane = { productId, pool, ...state };
    this.#lanes.set(productId, lane);
    return lane;
  }

  #closeIdle(lane: Lane<Item>): void {
    if (lane.waiting.length > 0) return;
    lane.pool.wanting.delete(lane);
    if (lane.inFlight === 0) this.#lanes.delete(lane.productId);
  }

  /** At the end of the turn, unless it has its place there already. */
  #queue(lane: Lane<Item>): void {
    const { waiting, inFlight, pool } = lane;
    if (waiting.length > 0 && inFlight < pool.inFlightPerProduct) pool.wanting.add(lane);
  }

  /** What waits and is in flight moves with it. */
  #promote(lane: Lane<Item>): void {
    if (lane.pool === this.#known) return;
    lane.pool.wanting.delete(lane);
    for (const [pool, sign] of [
      [this.#unknown, -1],
      [this.#known, 1],
    ] as const) {
      pool.waiting += sign * lane.waiting.length;
      pool.inFlight += sign * lane.inFlight;
    }
    lane.pool = this.#known;
    this.#queue(lane);
  }

  /** Sees to it that those who have waited too long are refused; the longest wait comes first. */
  #expireLater(lane: Lane<Item>): void {
    const [head] = lane.waiting;
    if (head === undefined) {
      clearTimeout(lane.expiry);
      lane.expiry = undefined;
      return;
    }
    lane.expiry ??= setTimeout(
      () => {
        lane.expiry = undefined;
        this.#expire(lane);
        this.#expireLater(lane);
        this.#closeIdle(lane);
      },
      Math.max(0, head.giveUpAtMs - performance.now()),
    );
  }

  #expire(lane: Lane<Item>): void {
    const { waiting, pool } = lane;
    const now = performance.now();
    const firstToKeep = waiting.findIndex(({ giveUpAtMs }) => giveUpAtMs > now);
    const expired = waiting.splice(0, firstToKeep < 0 ? waiting.length : firstToKeep);
    pool.waiting -= expired.length;
    const placeMs = placeInMs(lane);
    for (const { refuse } of expired) refuse(placeMs);
  }
}

/**
 * When those who wait for this product will have been sent, as fast as its batches end now. One
 * that hangs is given up by its own time-out at the latest.
 */
function placeInMs<Item extends Waiting>(lane: Lane<Item>): number {
  const { waiting, pool, batchMs, movedAtMs } = lane;
  const rounds = 1 + waiting.length / (batchOrdersMax * pool.inFlightPerProduct);
  const stuckMs = performance.now() - movedAtMs;
  return Math.min(rounds * Math.max(batchMs, stuckMs), edgeForwardTimeoutMs);
}
