// What some sales would have published, from a seed: events of one order or of two hundred, buyers
// who come again, running totals, two generations. Made as it is asked for, in the order in which
// it was sold, and so that what becomes of each order does not depend on the order in which events
// arrive: two orders never fight for a unit that neither has yet.

import { eventBytesMax, eventOrdersMax } from '#lib/constants.ts';
import { type EventOrder, type UnitRange, unitsIn } from '#lib/order-event.ts';
import { orderIdOf } from '#lib/order-id.ts';
import { randomOf } from '../random.ts';
import {
  aSale,
  type Buyer,
  eventOf,
  type PlannedEvent,
  type Sale,
  userIdOf,
} from './planned-sale.ts';

/** What MySQL must hold in the end. */
export interface Expected {
  confirmed: number;
  /** For a unit beyond the stock. */
  noStock: number;
  /** For a unit that was sold before anything was shuffled. */
  unitTaken: number;
  units: number;
}

/** The three parts are made one after the other, each once. */
export interface SalePlan {
  readonly productIds: readonly string[];
  /** Of each product. */
  readonly stock: number;
  /** Grows as the parts are made. */
  readonly expected: Readonly<Expected>;
  /** One event of each product, to be written before all others come. */
  opening(): Generator<PlannedEvent>;
  /** The rest of the first generation. */
  first(): Generator<PlannedEvent>;
  /**
   * The second generation, and late events of the first one, whose seller had lost the lock: they
   * name units that were sold again, and some orders that were asked for and sold again.
   */
  second(): Generator<PlannedEvent>;
}

const openingOrders = 5;
/** Buyers who may come again; the others have bought all they want. */
const buyersKept = 1_000;
const comesAgain = 0.3;
const rejectedShare = 0.02;
const lateShare = 0.08;
/** More than any order here takes in an event. */
const orderBytesMax = 800;

/** Sizes of events: how often, from, to. A slow sale has small ones, so that there are many. */
const sizesOfSlowSale = [
  [0.6, 1, 1],
  [0.9, 2, 12],
  [0.98, 13, 60],
  [1, eventOrdersMax, eventOrdersMax],
] as const;
const sizesOfCrowd = [
  [0.2, 1, 1],
  [0.4, 2, 20],
  [0.7, 21, eventOrdersMax - 1],
  [1, eventOrdersMax, eventOrdersMax],
] as const;
const crowdOrders = 20_000;

/** The same sales for the same seed; about so many orders. */
export function planSale(options: { seed: number; orders: number }): SalePlan {
  return new Planner(options);
}

class Planner implements SalePlan {
  readonly stock: number;
  readonly productIds: readonly string[];
  readonly expected: Expected = { confirmed: 0, noStock: 0, unitTaken: 0, units: 0 };
  readonly #orders: number;
  readonly #random: () => number;
  readonly #sizes: typeof sizesOfCrowd | typeof sizesOfSlowSale;
  readonly #sales: readonly Sale[];
  #made = 0;
  #users = 0;

  constructor({ seed, orders }: { seed: number; orders: number }) {
    const isCrowd = orders >= crowdOrders;
    this.stock = orders * 3;
    this.#orders = orders;
    this.#random = randomOf(seed);
    this.#sizes = isCrowd ? sizesOfCrowd : sizesOfSlowSale;
    this.#sales = Array.from({ length: isCrowd ? 4 : 3 }, (_, at) => aSale(`sale-${seed}-${at}`));
    this.productIds = this.#sales.map(({ productId }) => productId);
  }

  *opening(): Generator<PlannedEvent> {
    for (const sale of this.#sales) {
      const opening = this.#event(sale, openingOrders, true);
      sale.taken.push(...opening.event.orders.flatMap(({ units }) => units.flat()));
      yield opening;
    }
  }

  *first(): Generator<PlannedEvent> {
    while (this.#made < this.#orders / 2) yield this.#event(this.#nextSale(), this.#nextSize());
  }

  *second(): Generator<PlannedEvent> {
    for (const sale of this.#sales) {
      Object.assign(sale, { generation: 2, lateBatches: sale.batches, batches: 0 });
      // Loaded from rows: what was rejected counts no more.
      sale.sold = sale.confirmed;
    }
    while (this.#made < this.#orders) {
      const sale = this.#nextSale();
      const left = this.#orders - this.#made;
      const event = this.#event(sale, Math.min(this.#nextSize(), left));
      if (this.#random() < lateShare) yield this.#lateTwin(sale, event);
      yield event;
    }
  }

  #event(sale: Sale, size: number, isOpening = false): PlannedEvent {
    sale.nowUs += eventOrdersMax + this.#upTo(50_000);
    const orders: EventOrder[] = [];
    for (let bytes = 0; orders.length < size && bytes < eventBytesMax - orderBytesMax; ) {
      const isRejected = !isOpening && this.#random() < rejectedShare;
      const order = this.#order(sale, sale.nowUs + orders.length, isRejected);
      orders.push(order);
      bytes += Buffer.byteLength(JSON.stringify(order)) + 1;
    }
    sale.batches += 1;
    return eventOf(sale, sale.generation, sale.batches, orders);
  }

  /** The same units under the first generation; every other order was asked for again, and sold. */
  #lateTwin(sale: Sale, { event: { orders } }: PlannedEvent): PlannedEvent {
    sale.lateBatches += 1;
    const late = orders.map((order, at) => {
      if (at % 2 === 1) return order;
      const key = `late-${sale.lateBatches}-${at}`;
      return { ...order, orderId: orderIdOf(sale.productId, order.userId, key) };
    });
    return eventOf(sale, 1, sale.lateBatches, late);
  }

  #order(sale: Sale, atUs: number, isRejected: boolean): EventOrder {
    const buyer = isRejected ? this.#newBuyer() : this.#nextBuyer(sale);
    const units = isRejected ? this.#unitsToReject(sale) : this.#freeUnits(sale);
    const quantity = unitsIn(units);
    if (buyer.quantity === 0) buyer.firstAtUs = atUs;
    buyer.quantity += quantity;
    sale.sold += quantity;
    this.#made += 1;
    return {
      orderId: orderIdOf(sale.productId, buyer.userId, `key-${this.#made}`),
      ...{ userId: buyer.userId, quantity, units: units.map(([first, last]) => [first, last]) },
      ...{ userFirstAt: buyer.firstAtUs, userQuantity: buyer.quantity, sold: sale.sold },
    };
  }

  #nextBuyer({ buyers }: Sale): Buyer {
    const known = this.#random() < comesAgain ? buyers[this.#upTo(buyers.length)] : undefined;
    if (known !== undefined) return known;
    const buyer = this.#newBuyer();
    if (buyers.length < buyersKept) buyers.push(buyer);
    else buyers[this.#upTo(buyers.length)] = buyer;
    return buyer;
  }

  #newBuyer(): Buyer {
    this.#users += 1;
    return { userId: userIdOf(this.#users), firstAtUs: 0, quantity: 0 };
  }

  /** Units that nobody has: mostly in one range. */
  #freeUnits(sale: Sale): UnitRange[] {
    const quantity = this.#random() < 0.75 ? 1 : 2 + this.#upTo(3);
    const first = sale.nextUnit;
    const isSplit = quantity > 1 && this.#random() < 0.1;
    sale.nextUnit += quantity + (isSplit ? 1 : 0);
    sale.confirmed += quantity;
    this.expected.confirmed += 1;
    this.expected.units += quantity;
    if (!isSplit) return [[first, first + quantity - 1]];
    return [
      [first, first],
      [first + 2, first + quantity],
    ];
  }

  #unitsToReject({ taken }: Sale): UnitRange[] {
    if (this.#random() < 0.5) {
      this.expected.noStock += 1;
      const first = this.stock + 1 + this.#upTo(1_000);
      return [[first, first + this.#upTo(2)]];
    }
    this.expected.unitTaken += 1;
    const unit = taken[this.#upTo(taken.length)] ?? 1;
    return [[unit, unit]];
  }

  /** Some are bought more than others. */
  #nextSale(): Sale {
    const sale = this.#sales[Math.floor(this.#random() ** 2 * this.#sales.length)];
    if (sale === undefined) throw new Error('a random number is below 1');
    return sale;
  }

  #nextSize(): number {
    const share = this.#random();
    const [, least = 1, most = 1] = this.#sizes.find(([upper]) => share < upper) ?? [];
    return least + this.#upTo(most - least + 1);
  }

  #upTo(count: number): number {
    return Math.floor(this.#random() * count);
  }
}
