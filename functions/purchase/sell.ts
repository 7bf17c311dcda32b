// The seller: everything that waits for a product is decided in one lock turn, one Lua call and
// one Kafka send, and only then answered (decisions 1, 2 and 4). Read this file first, then
// `sell/turn.ts` for the steps of a turn and `lib/sale/sell-4.lua` for the decision itself.

import { purchaseDeadlineMs, sellerQueuePerProductMax, turnOrdersMax } from '#lib/constants.ts';
import { crashPoint } from '#lib/crash-point.ts';
import type { HeldLock } from '#lib/lock/lock.ts';
import type { PurchaseAnswer } from '#lib/outcome.ts';
import type { Fence, Purchase } from '#lib/sale/sale.ts';
import { RebuildBlocked } from './recover/rebuild.ts';
import { type TurnDependencies, TurnFailed, Turns, type Waiting } from './sell/turn.ts';

export interface SellerDependencies extends TurnDependencies {
  /** Waits for the product's lock. Throws where etcd is away, and when the signal is aborted. */
  readonly acquire: (productId: string, signal: AbortSignal) => Promise<HeldLock>;
}

export interface Seller {
  /**
   * Decides purchases of one product, in order of arrival. Always resolves, within
   * `purchaseDeadlineMs`, with one answer for each; `unavailable` where it is not known.
   */
  purchase(productId: string, purchases: readonly Purchase[]): Promise<PurchaseAnswer[]>;
  /**
   * Runs `work` between two turns, under the product's lock, with the sale loaded and its outbox
   * empty; waits for that as long as it takes. Throws what it throws, TurnFailed, and the fault of
   * a turn that failed before it.
   */
  exclusively<T>(productId: string, work: (fence: Fence) => Promise<T>): Promise<T>;
  /**
   * Answers what waits, gives the locks back and takes nothing new. What waits for somebody
   * else's lock waits no longer than its buyers do.
   */
  stop(): Promise<void>;
}

const unavailable: PurchaseAnswer = { outcome: 'unavailable' };

export function createSeller(dependencies: SellerDependencies): Seller {
  const desks = new Map<string, Desk>();
  const patience = new AbortController();
  let stopping = false;

  const deskOf = (productId: string): Desk => {
    let desk = desks.get(productId);
    if (!desk) {
      desk = new Desk(productId, dependencies, patience.signal);
      desks.set(productId, desk);
    }
    return desk;
  };

  return {
    async purchase(productId, purchases) {
      if (purchases.length === 0) return [];
      if (stopping) return purchases.map(() => unavailable);
      return deskOf(productId).purchase(purchases);
    },
    async exclusively(productId, work) {
      if (stopping) throw new TurnFailed('this instance is leaving');
      return deskOf(productId).exclusively(work);
    },
    async stop() {
      stopping = true;
      const timer = setTimeout(() => {
        patience.abort(new TurnFailed('this instance is leaving'));
      }, purchaseDeadlineMs);
      await Promise.all([...desks.values()].map((desk) => desk.stop()));
      clearTimeout(timer);
    },
  };
}

interface Task {
  readonly run: (fence: Fence) => Promise<void>;
  readonly fail: (error: unknown) => void;
}

/** A purchase in the queue; nobody waits for it any more once its request has expired. */
interface Queued extends Waiting {
  readonly request: { expired: boolean };
}

/** One product's queue on this instance. */
class Desk {
  readonly #productId: string;
  readonly #dependencies: SellerDependencies;
  readonly #patience: AbortSignal;
  readonly #turns: Turns;
  readonly #queue: Queued[] = [];
  readonly #tasks: Task[] = [];
  /** Kept from turn to turn, and while idle, until somebody else waits for it. */
  #held: HeldLock | undefined;
  /** It was not at hand for the next turn, which has waited for it since then. */
  #lockSinceMs: number | undefined;
  #working: Promise<void> | undefined;

  constructor(productId: string, dependencies: SellerDependencies, patience: AbortSignal) {
    this.#productId = productId;
    this.#patience = patience;
    this.#dependencies = dependencies;
    this.#turns = new Turns(productId, dependencies);
  }

  purchase(purchases: readonly Purchase[]): Promise<PurchaseAnswer[]> {
    if (this.#queue.length + purchases.length > sellerQueuePerProductMax) {
      return Promise.resolve(purchases.map(() => unavailable));
    }
    const answers = queueUntil(purchaseDeadlineMs, purchases, this.#queue);
    this.#working ??= this.#work();
    return answers;
  }

  exclusively<T>(work: (fence: Fence) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const run = async (fence: Fence) => {
        resolve(await work(fence));
      };
      this.#tasks.push({ run, fail: reject });
      this.#working ??= this.#work();
    });
  }

  async stop(): Promise<void> {
    await this.#working;
    await this.#giveBack();
    await this.#turns.settle();
  }

  async #work(): Promise<void> {
    while (this.#queue.length > 0 || this.#tasks.length > 0) {
      try {
        const held = this.#held?.isHeld() ? this.#held : await this.#takeLock();
        if (!(await this.#turn(held))) await this.#failAll(new TurnFailed('a turn failed'));
      } catch (error) {
        this.#tellOf(error);
        await this.#failAll(error);
      }
      if (this.#held?.othersWait()) await this.#giveBack();
    }
    this.#working = undefined;
  }

  #tellOf(error: unknown): void {
    // Of what an operator has to decide about its turns have told, once.
    if (error instanceof RebuildBlocked) return;
    this.#dependencies.log.warn({ err: error, productId: this.#productId }, 'a turn failed');
  }

  async #takeLock(): Promise<HeldLock> {
    this.#lockSinceMs = performance.now();
    await this.#giveBack();
    const lock = await this.#dependencies.acquire(this.#productId, this.#patience);
    this.#held = lock;
    this.#turns.tookOver();
    crashPoint('lock.acquired');
    // While working, the loop hands over after its turn.
    lock.onContended(() => {
      if (this.#held === lock && !this.#working) void this.#giveBack();
    });
    return lock;
  }

  /** False where the turn before this one has failed. */
  async #turn(held: HeldLock): Promise<boolean> {
    const task = this.#tasks.shift();
    if (task) {
      await this.#turns.drain(held).then(task.run).catch(task.fail);
      return true;
    }
    const lockSinceMs = this.#lockSinceMs;
    this.#lockSinceMs = undefined;
    const batch = this.#queue.splice(0, turnOrdersMax).filter(({ request }) => !request.expired);
    if (batch.length === 0) return true;
    try {
      return await this.#turns.sell(held, batch, lockSinceMs);
    } catch (error) {
      for (const { answer } of batch) answer(unavailable);
      throw error;
    }
  }

  /** Whatever waits would meet the same fault: answer now, so that whoever asked can ask again. */
  async #failAll(error: unknown): Promise<void> {
    for (const { answer } of this.#queue.splice(0)) answer(unavailable);
    for (const { fail } of this.#tasks.splice(0)) fail(error);
    await this.#turns.settle();
  }

  /** No lock is given up while something is on its way that was sold under it. */
  async #giveBack(): Promise<void> {
    const lock = this.#held;
    this.#held = undefined;
    if (!lock) return;
    await this.#turns.settle();
    await lock.release();
  }
}

/** Queues the purchases of one request; resolves when all are answered, or at the deadline. */
function queueUntil(
  deadlineMs: number,
  purchases: readonly Purchase[],
  queue: Queued[],
): Promise<PurchaseAnswer[]> {
  return new Promise((resolve) => {
    const request = { expired: false };
    const answers: (PurchaseAnswer | undefined)[] = purchases.map(() => undefined);
    let open = purchases.length;
    const finish = () => {
      request.expired = true;
      clearTimeout(timer);
      resolve(answers.map((answer) => answer ?? unavailable));
    };
    const timer = setTimeout(finish, deadlineMs);
    for (const [index, purchase] of purchases.entries()) {
      const answer = (given: PurchaseAnswer) => {
        if (request.expired || answers[index]) return;
        answers[index] = given;
        open -= 1;
        if (open === 0) finish();
      };
      queue.push({ purchase, request, answer });
    }
  });
}
