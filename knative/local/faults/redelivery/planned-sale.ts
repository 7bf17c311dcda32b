// One product's sale while it is planned: who buys, how far it is, and its events.

import { batchIdOf, type EventOrder, type OrderEvent } from '#lib/order-event.ts';

export interface PlannedEvent {
  readonly batchId: string;
  readonly event: OrderEvent;
}

export interface Buyer {
  readonly userId: string;
  firstAtUs: number;
  quantity: number;
}

/** One product's sale as it goes on. */
export interface Sale {
  readonly productId: string;
  readonly buyers: Buyer[];
  /** Each is sold by the opening event. */
  readonly taken: number[];
  generation: number;
  /** Of this generation. */
  batches: number;
  /** Of the first generation: its late events have the numbers that follow. */
  lateBatches: number;
  nextUnit: number;
  sold: number;
  confirmed: number;
  nowUs: number;
}

const startUs = 1_790_000_000_000_000;

/** Before its first event. */
export function aSale(productId: string): Sale {
  return {
    ...{ productId, buyers: [], taken: [], generation: 1, batches: 0, lateBatches: 0 },
    ...{ nextUnit: 1, sold: 0, confirmed: 0, nowUs: startUs },
  };
}

/** In the order in which the sale's script writes an event. */
export function eventOf(
  { productId, nowUs }: Sale,
  generation: number,
  batchNumber: number,
  orders: EventOrder[],
): PlannedEvent {
  return {
    batchId: batchIdOf(productId, generation, batchNumber),
    event: {
      ...{ productId, generation, acceptedAt: nowUs },
      ...{ unitPrice: 9_900, currency: 'CNY', orders },
    },
  };
}

/** Some are long, of letters that take several bytes, or differ from another's by little. */
export function userIdOf(n: number): string {
  switch (n % 40) {
    case 7:
      return `买家-${n}`;
    case 8:
      return `"buyer" \\ ${n}|1`;
    case 9:
      return `${'b'.repeat(110)}-${n}`;
    case 11:
      return `BUYER-${n - 1}`;
    case 12:
      return `buyer-${n - 2} `;
    default:
      return `buyer-${n}`;
  }
}
