// Buyers: each has a key, asks, asks again with the same key where there was no answer or a 503, and
// sometimes once more after it was accepted. Everything they are told is kept for the verdict.

import { orderIdOf } from '#lib/order-id.ts';
import type { PurchaseAnswer } from '#lib/outcome.ts';
import type { Purchase } from '#lib/sale/sale.ts';
import type { PurchaseInstance } from './instances.ts';
import type { Random } from './random.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface Said {
  /** When the request was sent, and when the instance gave its answer. */
  readonly askedAtMs: number;
  readonly saidAtMs: number;
  readonly quantity: number;
  readonly answer: PurchaseAnswer;
}

export interface Order extends Purchase {
  readonly said: Said[];
}

export interface Buyers {
  readonly orders: readonly Order[];
  /** A new order of one of a few users. */
  order(): Order;
  /**
   * Asks for these at one instance; resolves with the answers, undefined where none came in time.
   * What the instance says counts from when it says it, whether or not it arrives.
   */
  ask(
    instance: PurchaseInstance,
    orders: readonly Order[],
  ): Promise<readonly PurchaseAnswer[] | undefined>;
  /** Asks until it is known, at the instances that `choose` names; at most so often. */
  insist(
    choose: () => PurchaseInstance | undefined,
    orders: readonly Order[],
    attemptsMax: number,
  ): Promise<void>;
}

interface Options {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly productId: string;
  readonly usersCount: number;
  readonly quantityMax: number;
}

/** As long as the edge waits. */
const patienceMs = 8_000;

export function createBuyers({ time, random, productId, ...options }: Options): Buyers {
  const orders: Order[] = [];

  function order(): Order {
    const userId = `user ${random.below(options.usersCount)}`;
    const orderId = orderIdOf(productId, userId, `key ${orders.length}`);
    const quantity = 1 + random.below(options.quantityMax);
    const made: Order = { orderId, userId, quantity, said: [] };
    orders.push(made);
    return made;
  }

  async function ask(instance: PurchaseInstance, wanted: readonly Order[]) {
    const askedAtMs = time.nowMs;
    // Now and then somebody uses a key again for another quantity.
    const purchases = wanted.map(({ orderId, userId, quantity }) => ({
      ...{ orderId, userId },
      quantity: random.chance(0.02) ? quantity + 1 : quantity,
    }));
    const say = (answers: readonly PurchaseAnswer[]) => {
      for (const [index, answer] of answers.entries()) {
        const { quantity = 0 } = purchases[index] ?? {};
        wanted[index]?.said.push({ askedAtMs, saidAtMs: time.nowMs, quantity, answer });
      }
      const outcomes = answers.map(({ outcome }) => outcome).join(' ');
      time.note(`${instance.process.name} says ${outcomes} for ${namesOf(wanted)}`);
    };
    return new Promise<readonly PurchaseAnswer[] | undefined>((resolve) => {
      time.after(patienceMs, () => {
        resolve(undefined);
      });
      const answered = (answers: readonly PurchaseAnswer[] | undefined) => {
        time.after(random.between(0, 5), () => {
          resolve(answers);
        });
      };
      const arrive = () => {
        instance.decide(productId, purchases).then(
          (answers) => {
            say(answers);
            answered(answers);
          },
          () => {
            answered(undefined);
          },
        );
      };
      time.after(random.between(0, 5), arrive, instance.process, 'answer');
    });
  }

  async function insist(
    choose: () => PurchaseInstance | undefined,
    wanted: readonly Order[],
    attemptsMax: number,
  ): Promise<void> {
    let open = wanted;
    for (let attempt = 0; attempt < attemptsMax && open.length > 0; attempt += 1) {
      const instance = choose();
      const answers = instance && (await ask(instance, open));
      open = open.filter(
        (_, index) => (answers?.[index]?.outcome ?? 'unavailable') === 'unavailable',
      );
      if (open.length > 0) await time.sleep(random.between(100, 2_000));
    }
  }

  return { orders, order, ask, insist };
}

function namesOf(orders: readonly Order[]): string {
  return orders.map(({ orderId }) => orderId.slice(-5)).join(' ');
}
