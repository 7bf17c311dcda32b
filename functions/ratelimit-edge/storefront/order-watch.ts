// The buyer's orders, kept up to date until each has come to its end: by the stream of one, and by
// asking where there is none.

import type { Order } from './answers.ts';
import type { Api } from './api.ts';
import { ReadError } from './api.ts';
import type { OrderStream, OrderStreamEvents } from './order-stream.ts';
import type { Poll, PollOptions } from './poll.ts';

const firstIntervalMs = 700;
const intervalMaxMs = 10_000;

export interface OrderWatch {
  /** Newest first; undefined until they are known. */
  readonly orders: readonly Order[] | undefined;
  /** Shows an order that was just accepted before the server lists it. */
  add(order: Order): void;
  /** Asks for the whole list again. */
  refresh(): void;
}

export function watchOrders(
  api: Pick<Api, 'orders' | 'order'>,
  poll: (options: Pick<PollOptions, 'task' | 'intervalMs' | 'onError'>) => Poll,
  openStream: (on: OrderStreamEvents) => OrderStream,
  on: { readonly change: () => void; readonly signedOut: () => void },
): OrderWatch {
  let orders: readonly Order[] | undefined;
  let isListWanted = true;
  let waits = 0;
  const changed = () => {
    // One at a time: a browser has few connections for one server.
    stream.follow(openIn(orders)[0]?.orderId);
    on.change();
  };
  const stream = openStream({
    order(order) {
      orders = replaced(orders, order);
      changed();
    },
    lost() {
      running.refresh();
    },
    signedOut: on.signedOut,
  });
  const asked = () => openIn(orders).filter(({ orderId }) => !stream.covers(orderId));
  const running = poll({
    async task() {
      if (isListWanted) {
        isListWanted = false;
        try {
          orders = merge(await api.orders(), orders ?? []);
        } catch (error) {
          isListWanted = true;
          throw error;
        }
      } else {
        // One by one: an order is found by its id alone, a list needs a search.
        for (const { orderId } of asked()) {
          orders = replaced(orders, await api.order(orderId).catch(unlessUnknown));
        }
      }
      changed();
    },
    intervalMs() {
      if (isListWanted) return 0;
      if (asked().length === 0) return undefined;
      waits += 1;
      return Math.min(intervalMaxMs, firstIntervalMs * 1.4 ** (waits - 1));
    },
    onError(error) {
      if (error instanceof ReadError && error.status === 401) on.signedOut();
    },
  });
  return {
    get orders() {
      return orders;
    },
    add(order) {
      orders = merge([order], orders ?? []);
      waits = 0;
      stream.follow(openIn(orders)[0]?.orderId);
      running.refresh();
    },
    refresh() {
      isListWanted = true;
      waits = 0;
      running.refresh();
    },
  };
}

/** An order that cannot be found must not keep the others from being asked for. */
function unlessUnknown(error: unknown): undefined {
  if (!(error instanceof ReadError) || error.status !== 404) throw error;
}

function replaced(orders: readonly Order[] = [], order: Order | undefined): readonly Order[] {
  return orders.map((known) => (known.orderId === order?.orderId ? order : known));
}

function openIn(orders: readonly Order[] = []): Order[] {
  return orders.filter(({ status }) => status === 'pending' || status === 'accepted');
}

/** The server's word on what it lists; what it does not list yet stays on top. */
function merge(listed: readonly Order[], known: readonly Order[]): Order[] {
  const ids = new Set(listed.map(({ orderId }) => orderId));
  const rest = known.filter(({ orderId }) => !ids.has(orderId));
  return [...listed, ...rest].sort((a, b) => (b.acceptedAtMs ?? 0) - (a.acceptedAtMs ?? 0));
}
