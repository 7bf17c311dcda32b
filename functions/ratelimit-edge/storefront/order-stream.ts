// The status of one order, as the server sends it. Whoever uses this also polls: a stream only
// makes polling needless while it works, and says when it no longer does.

import { createParser } from 'eventsource-parser';
import { orderStreamHeartbeatMs } from '#lib/constants.ts';
import { type Order, readOrder } from './answers.ts';
import type { Visibility } from './poll.ts';
import { backOffMs, type Timers } from './timers.ts';

/** The server says something at once; what does not come by then is held back on the way. */
const firstWordMs = 4_000;
/** Then it says something now and again. */
const silenceMs = 2.5 * orderStreamHeartbeatMs;
/** So many streams in a row that nothing came through, and no more are tried. */
const heldBackMax = 2;

export interface OrderStreamEvents {
  readonly order: (order: Order) => void;
  /** The order's status no longer arrives by itself; it may again later. */
  readonly lost: () => void;
  readonly signedOut: () => void;
}

export interface OrderStreamOptions extends Visibility {
  readonly connect: (id: string, lastEventId: string, signal: AbortSignal) => Promise<Response>;
  readonly timers: Timers;
  readonly on: OrderStreamEvents;
}

export interface OrderStream {
  /** Listens for this order, and for no other; for none where it is undefined. */
  follow(orderId: string | undefined): void;
  /** Whether the status of this order arrives by itself. */
  covers(orderId: string): boolean;
}

/** How one connection came to its end. */
type End = 'whole' | 'broken' | 'held_back' | 'signed_out' | 'nothing_more';

export function createOrderStream(options: OrderStreamOptions): OrderStream {
  const { timers, on } = options;
  let followed: string | undefined;
  let lastEventId = '';
  let isCovering = false;
  let failures = 0;
  let heldBack = 0;
  /** Ends the connection, or the wait for the next. */
  let stop = (): void => undefined;

  const listen = async (orderId: string) => {
    const connection = new AbortController();
    stop = () => {
      connection.abort(stopped);
    };
    isCovering = true;
    const end = await readStream(options, orderId, lastEventId, connection, (order, id) => {
      failures = 0;
      lastEventId = id;
      on.order(order);
    });
    if (connection.signal.reason !== stopped) next(orderId, end);
  };
  const next = (orderId: string, end: End) => {
    // A stream that was quiet to its end is no reason to poll; the next goes on where it ended.
    isCovering = end === 'whole';
    heldBack = end === 'held_back' ? heldBack + 1 : 0;
    failures += 1;
    if (end === 'signed_out') on.signedOut();
    if (!isCovering) on.lost();
    if (end === 'signed_out' || end === 'nothing_more' || heldBack >= heldBackMax) return;
    // What was told meanwhile may have ended it.
    if (followed === orderId) stop = timers.after(backOffMs(failures + 1, timers), begin);
  };
  const begin = () => {
    stop();
    isCovering = false;
    if (followed !== undefined && options.isVisible() && heldBack < heldBackMax) {
      void listen(followed);
    }
  };
  options.onVisible(begin);
  return {
    follow(orderId) {
      if (orderId === followed) return;
      followed = orderId;
      lastEventId = '';
      failures = 0;
      begin();
    },
    covers: (orderId) => isCovering && orderId === followed,
  };
}

const stopped = new Error('nobody listens any more');

async function readStream(
  { connect, timers }: OrderStreamOptions,
  orderId: string,
  lastEventId: string,
  connection: AbortController,
  tell: (order: Order, id: string) => void,
): Promise<End> {
  let isHeard = false;
  const cut = () => {
    connection.abort();
  };
  let calm = timers.after(firstWordMs, cut);
  const parser = createParser({
    onEvent({ event, data, id = '' }) {
      if (event === 'order') tell(readOrder(JSON.parse(data)), id);
    },
  });
  try {
    const response = await connect(orderId, lastEventId, connection.signal);
    if (response.status === 401) return 'signed_out';
    if (response.status === 204) return 'nothing_more';
    const type = response.headers.get('content-type') ?? '';
    if (!response.ok || !type.startsWith('text/event-stream') || response.body === null) {
      return 'broken';
    }
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return isHeard ? 'whole' : 'broken';
      isHeard = true;
      calm();
      calm = timers.after(silenceMs, cut);
      parser.feed(decoder.decode(value, { stream: true }));
    }
  } catch {
    return connection.signal.aborted && !isHeard ? 'held_back' : 'broken';
  } finally {
    calm();
    cut();
  }
}
