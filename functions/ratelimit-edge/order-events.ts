// The status of an order, as it comes: server-sent events for its owner, each with the order as
// `GET /api/orders/:orderId` tells it. An event's id is the status, so that whoever comes back with
// `Last-Event-ID`, to any instance, hears of all that is later and of nothing twice.

import { orderIdPattern, orderStreamHeartbeatMs, orderStreamMs } from '#lib/constants.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { findLiveOrder } from '#lib/sale/live-order.ts';
import { refuse, refuseSeat } from './answers.ts';
import { type EventStream, eventStreamHeaders, openEventStream } from './event-stream.ts';
import type { EdgeMetrics } from './metrics.ts';
import { createOrderFollower, isFinal, type Order, parseOrder, placeOf } from './order-follower.ts';
import type { Orders } from './orders.ts';
import { createSeats, type Seat } from './seats.ts';

export const orderEventsLimits = {
  streamMs: orderStreamMs,
  heartbeatMs: orderStreamHeartbeatMs,
  retryMs: 1_000,
  streamsMax: 2_000,
  /** Tabs that a person can see, on a few devices. */
  streamsPerUserMax: 6,
  /** An event comes half of this, and a read of Redis, after what it tells of. */
  roundMs: 100,
  askAfterMs: 2_000,
};

export interface OrderEventsRequest {
  readonly userId: string;
  readonly orderId: string;
  /** The id of the last event that the client has. */
  readonly lastEventId: string | undefined;
  /** HEAD: nobody waits for events. */
  readonly isHead: boolean;
  /** Cuts the connection, unless the whole answer has left. */
  readonly disconnect: () => void;
}

export interface OrderEvents {
  /** Rejects with `Unavailable` where `purchase` does not say whose order it is. */
  answer(request: OrderEventsRequest): Promise<Response>;
  /** Ends all streams at once; whoever comes later is sent away. */
  close(): void;
}

export interface OrderEventsOptions {
  readonly redis: RedisClient;
  readonly orders: Pick<Orders, 'find'>;
  readonly metrics: Pick<EdgeMetrics, 'streamsOpen'>;
  readonly limits?: typeof orderEventsLimits;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

export function createOrderEvents(options: OrderEventsOptions): OrderEvents {
  const { redis, orders, limits = orderEventsLimits, now = () => performance.now() } = options;
  const { streamsMax: seatsMax, streamsPerUserMax: perUserMax, streamMs: keptMs } = limits;
  const onChange = (open: number) => {
    options.metrics.streamsOpen(open);
  };
  const seats = createSeats({ seatsMax, perUserMax, keptMs, onChange, now });
  const follower = createOrderFollower({ redis, orders, now, ...limits });
  const streams = new Set<EventStream>();
  let isClosed = false;

  const open = (order: Order, request: OrderEventsRequest, seat: Seat, seen: number) => {
    let unfollow = (): void => undefined;
    const { disconnect } = request;
    const stream = openEventStream({
      ...limits,
      disconnect,
      onEnd() {
        unfollow();
        streams.delete(stream);
        seat.free();
      },
    });
    streams.add(stream);
    const tell = (told: Order | undefined) => {
      if (told !== undefined) stream.send(eventOf(told));
      if (told === undefined || isFinal(placeOf(told.status))) stream.end();
    };
    if (placeOf(order.status) > seen) tell(order);
    if (!isFinal(placeOf(order.status))) {
      unfollow = follower.follow(order, request.userId, tell);
    }
    if (isClosed) stream.end();
    return stream.response;
  };
  const find = async ({ userId, orderId }: OrderEventsRequest) => {
    const found = await orders.find(userId, orderId);
    return 'fault' in found ? found : { order: parseOrder(found.text) };
  };
  return {
    async answer(request) {
      const seat = isClosed ? 'full' : seats.take(request.userId);
      if (seat === 'full') return refuse('unavailable', { detail: fullText }).response;
      if (!('free' in seat)) {
        return refuseSeat(tooManyText, {
          ...{ policy: 'streams', quota: perUserMax, windowMs: keptMs },
          retryAfterMs: seat.retryAfterMs,
        });
      }
      let response: Response | undefined;
      try {
        const found = (await findInRedis(redis, request)) ?? (await find(request));
        if ('fault' in found) return found.fault;
        const { order } = found;
        const seen = placeOf(request.lastEventId ?? '');
        // Nothing will come any more: told so, clients do not come back.
        if (isFinal(seen) && seen >= placeOf(order.status)) {
          return new Response(null, { status: 204, headers: { 'cache-control': 'no-store' } });
        }
        if (request.isHead) return new Response(null, { headers: eventStreamHeaders });
        response = open(order, request, seat, seen);
        return response;
      } finally {
        if (response === undefined) seat.free();
      }
    },
    close() {
      isClosed = true;
      for (const stream of streams) stream.end();
    },
  };
}

/**
 * The order where Redis has it and it is this user's: a crowd that has just bought does not ask
 * `purchase`, all at once. Of an order without a row, only `purchase` can say why.
 */
async function findInRedis(
  redis: RedisClient,
  { userId, orderId }: OrderEventsRequest,
): Promise<{ order: Order } | undefined> {
  if (!orderIdPattern.test(orderId)) return undefined;
  const found = await findLiveOrder(redis, orderId).catch(() => undefined);
  // Without the sale itself its price is not known.
  if (found?.userId !== userId || found.order.currency === '') return undefined;
  const { status } = found.order;
  if (status === 'rejected' || status === 'cancelled') return undefined;
  return { order: { ...found.order } };
}

const tooManyText = 'you have too many event streams open; ask for the order itself, or close one';
const fullText = 'too many wait here for events; ask for the order itself, or again later';

function eventOf(order: Order) {
  return { id: order.status, event: 'order', data: JSON.stringify(order) };
}
