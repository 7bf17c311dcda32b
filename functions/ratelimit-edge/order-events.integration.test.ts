// Streams of order events as clients see them, on a real Redis and a `purchase` that tells what
// the test says.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import { noNetworks } from '#lib/http/networks.ts';
import { saleKeys } from '#lib/names.ts';
import { formatOrderRecord, type OrderStatus } from '#lib/sale/order-record.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import type { orderEventsLimits } from './order-events.ts';
import {
  type Edge,
  type FakePurchase,
  startEdge,
  startFakePurchase,
  tokenFor,
} from './testing/edge-fixture.ts';
import { type Listen, type Listener, listen } from './testing/listen.ts';

let store: OwnStore;
let purchase: FakePurchase;
let edge: Edge;
let token: string;
let edges: Edge[] = [];
let listeners: Listener[] = [];
/** What `purchase` says of each order, all of which are of `user`. */
let told: Map<string, Record<string, unknown>>;

beforeAll(async () => {
  store = await startOwnStore(redisStore);
  purchase = await startFakePurchase();
  edge = await startEdge(store.address, purchase.url);
  token = await tokenFor('user');
});

afterAll(async () => {
  await edge.stop();
  await purchase.close();
  await store.remove();
});

beforeEach(async () => {
  await edge.redis.flushall();
  await edge.redis.config('RESETSTAT');
  purchase.seen.length = 0;
  told = new Map();
  purchase.answer = ({ path }, response) => {
    const [, orderId = '', userId] = /^\/orders\/(.*)\?userId=(.*)$/.exec(path) ?? [];
    const order = told.get(orderId);
    if (order === undefined) response.writeHead(404).end('{}');
    else if (userId !== 'user') response.writeHead(403).end('{}');
    else response.end(JSON.stringify(order));
  };
});

afterEach(async () => {
  store.thaw();
  for (const listener of listeners) listener.stop();
  await Promise.all(edges.map((one) => one.stop()));
  [listeners, edges] = [[], []];
  await streamsAre(0);
});

const idOf = (index: number) => `p1.${String(index).padStart(22, '0')}`;
const one = idOf(1);
const orderOf = (orderId: string, status: string) => ({
  ...{ orderId, productId: 'p1', quantity: 2, status, unitPrice: 100, currency: 'CNY' },
  acceptedAt: '2026-11-22T12:00:00.000000Z',
});

/** What `purchase` says of an order from now on. */
function say(orderId: string, status: string, more: object = {}): void {
  told.set(orderId, { ...orderOf(orderId, status), ...more });
}

/** What Redis says of an order from now on; pending while batch 7 is in the outbox. */
async function note(orderId: string, status: OrderStatus): Promise<void> {
  const record = { quantity: 2, batchNumber: 7, acceptedAtUs: 1, units: [], userId: 'user' };
  const { orders } = saleKeys('p1');
  await edge.redis.hset(orders, orderId, formatOrderRecord({ ...record, status }));
}

async function startOther(limits: Partial<typeof orderEventsLimits>): Promise<Edge> {
  const other = await startEdge(store.address, purchase.url, new Map(), noNetworks, {}, limits);
  edges.push(other);
  return other;
}

async function hear(asked: Partial<Listen> & { at?: Edge } = {}): Promise<Listener> {
  const { at = edge, ...rest } = asked;
  const listener = await listen({ url: at.url, orderId: one, token, ...rest });
  listeners.push(listener);
  return listener;
}

async function streamsAre(open: number, at: Edge = edge): Promise<void> {
  await vi.waitFor(async () => {
    const text = await at.registry.getSingleMetricAsString('seckill_order_streams');
    expect(text).toMatch(new RegExp(`^seckill_order_streams ${open}$`, 'm'));
  }, 10_000);
}

const untilHeard = (listener: Listener, statuses: readonly string[]) =>
  vi.waitFor(() => {
    expect(listener.statuses).toEqual(statuses);
  }, 15_000);

async function scriptCalls(): Promise<number> {
  const stats = await edge.redis.info('commandstats');
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

describe('a stream', () => {
  test('tells each status once, as the order is told elsewhere, and ends', async () => {
    const { outbox } = saleKeys('p1');
    await edge.redis.hset(outbox, '7', 'data');
    await note(one, 'accepted');
    say(one, 'pending');
    const listener = await hear();
    expect(listener.response.status).toBe(200);
    expect(Object.fromEntries(listener.response.headers)).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
    });
    await untilHeard(listener, ['pending']);
    await edge.redis.hdel(outbox, '7');
    await untilHeard(listener, ['pending', 'accepted']);
    await note(one, 'confirmed');
    await listener.ended;
    const statuses = ['pending', 'accepted', 'confirmed'];
    expect(listener.events).toEqual(
      statuses.map((id) => ({ id, event: 'order', data: orderOf(one, id) })),
    );
    // Only whose order it is was asked of `purchase`.
    expect(purchase.seen).toHaveLength(1);
  });

  test('of an order that Redis has asks purchase nothing, however many just bought', async () => {
    const { sale } = saleKeys('p1');
    await edge.redis.hset(sale, { unit_price: 100, currency: 'CNY' });
    await note(one, 'accepted');
    const listener = await hear();
    await untilHeard(listener, ['accepted']);
    await note(one, 'confirmed');
    await listener.ended;
    const { acceptedAt } = listener.events[0]?.data as { acceptedAt: string };
    expect(acceptedAt).toBe('1970-01-01T00:00:00.000001Z');
    expect(listener.events.map(({ data }) => data)).toEqual(
      ['accepted', 'confirmed'].map((status) => ({ ...orderOf(one, status), acceptedAt })),
    );
    expect(purchase.seen).toEqual([]);
    // Nobody else's is told from there.
    expect((await hear({ token: await tokenFor('other') })).response.status).toBe(404);
    expect(purchase.seen).toHaveLength(1);
  });

  test('tells why an order was rejected', async () => {
    say(one, 'accepted');
    await note(one, 'accepted');
    const listener = await hear();
    await untilHeard(listener, ['accepted']);
    say(one, 'rejected', { reason: 'no unit' });
    await note(one, 'rejected');
    await listener.ended;
    expect(listener.events.at(-1)).toEqual({
      id: 'rejected',
      event: 'order',
      data: { ...orderOf(one, 'rejected'), reason: 'no unit' },
    });
  });

  test.each(['confirmed', 'rejected', 'cancelled'])(
    'is one event for an order that is %s',
    async (status) => {
      say(one, status);
      const listener = await hear();
      await listener.ended;
      expect(listener.statuses).toEqual([status]);
    },
  );

  test('is nobody else’s, and no stream where there is nothing to tell', async () => {
    say(one, 'accepted');
    const answers: [Partial<Listen>, number, string][] = [
      [{ token: 'none' }, 401, 'unauthenticated'],
      [{ token: await tokenFor('eve') }, 403, 'forbidden'],
      [{ orderId: idOf(2) }, 404, 'not_found'],
      [{ orderId: 'nonsense' }, 404, 'not_found'],
    ];
    for (const [asked, status, outcome] of answers) {
      const { response } = await hear(asked);
      expect(response.status, outcome).toBe(status);
      expect(response.headers.get('content-type')).toBe('application/problem+json');
      expect(await response.json()).toMatchObject({ outcome });
    }
    const url = `${edge.url}/api/orders/${one}/events`;
    const headers = { authorization: `Bearer ${token}` };
    const head = await fetch(url, { method: 'HEAD', headers });
    expect(head.headers.get('content-type')).toBe('text/event-stream');
    await streamsAre(0);
  });

  test('ends where the order is no more', async () => {
    const other = await startOther({ askAfterMs: 50, roundMs: 20 });
    say(one, 'pending');
    const listener = await hear({ at: other });
    await untilHeard(listener, ['pending']);
    told.clear();
    await listener.ended;
    expect(listener.statuses).toEqual(['pending']);
  });
});

describe('whoever comes back', () => {
  test('hears at another instance what is later than the last event, and nothing twice', async () => {
    const other = await startOther({});
    say(one, 'accepted');
    await note(one, 'accepted');
    const before = await hear();
    await untilHeard(before, ['accepted']);
    before.stop();
    const lastEventId = String(before.events.at(-1)?.id);
    const after = await hear({ at: other, lastEventId });
    await note(one, 'confirmed');
    await after.ended;
    expect(after.statuses).toEqual(['confirmed']);
    // And what came while nobody listened.
    say(one, 'confirmed');
    const late = await hear({ lastEventId: 'pending' });
    await late.ended;
    expect(late.statuses).toEqual(['confirmed']);
  });

  test('is told with 204 that nothing more comes, unless something has', async () => {
    say(one, 'confirmed');
    expect((await hear({ lastEventId: 'confirmed' })).response.status).toBe(204);
    say(one, 'cancelled', { reason: 'unpaid' });
    const cancelled = await hear({ lastEventId: 'confirmed' });
    await cancelled.ended;
    expect(cancelled.statuses).toEqual(['cancelled']);
    expect((await hear({ lastEventId: 'cancelled' })).response.status).toBe(204);
    // An instance that sees an older state does not take it back.
    say(one, 'accepted');
    expect((await hear({ lastEventId: 'confirmed' })).response.status).toBe(204);
    expect((await hear({ lastEventId: 'confirmed', token: 'none' })).response.status).toBe(401);
  });

  test.each(['', 'nonsense', '__proto__'])('with the id %j hears all', async (lastEventId) => {
    say(one, 'confirmed');
    const listener = await hear({ lastEventId });
    await listener.ended;
    expect(listener.statuses).toEqual(['confirmed']);
  });
});

describe('while a store is away', () => {
  test('what Redis lacks, or was never told, is asked of purchase', async () => {
    const other = await startOther({ askAfterMs: 50, roundMs: 20 });
    say(one, 'accepted');
    say(idOf(2), 'accepted');
    await note(idOf(2), 'accepted');
    const [lacking, untold] = [
      await hear({ at: other }),
      await hear({ at: other, orderId: idOf(2) }),
    ];
    await vi.waitFor(() => {
      expect(purchase.seen.length).toBeGreaterThan(4);
    }, 10_000);
    expect([lacking.statuses, untold.statuses]).toEqual([['accepted'], ['accepted']]);
    say(one, 'confirmed');
    say(idOf(2), 'confirmed');
    await Promise.all([lacking.ended, untold.ended]);
    expect([lacking.statuses, untold.statuses]).toEqual(Array(2).fill(['accepted', 'confirmed']));
  });

  test('a frozen Redis: the stream stays, and what is known comes later', async () => {
    const other = await startOther({ heartbeatMs: 50 });
    say(one, 'accepted');
    await note(one, 'accepted');
    const listener = await hear({ at: other });
    await untilHeard(listener, ['accepted']);
    store.freeze();
    // It waits in the frozen one's socket.
    const noted = note(one, 'confirmed').catch(() => undefined);
    const { comments } = listener;
    await vi.waitFor(() => {
      expect(listener.comments).toBeGreaterThan(comments + 3);
    }, 10_000);
    expect(listener.statuses).toEqual(['accepted']);
    store.thaw();
    await listener.ended;
    await noted;
    expect(listener.statuses).toEqual(['accepted', 'confirmed']);
  });

  test('without Redis and purchase nothing is told, and nothing is invented', async () => {
    say(one, 'accepted');
    const other = await startOther({ askAfterMs: 50, roundMs: 20, heartbeatMs: 50 });
    const listener = await hear({ at: other });
    await untilHeard(listener, ['accepted']);
    let asked = 0;
    const { answer } = purchase;
    purchase.answer = (_, response) => {
      asked += 1;
      response.writeHead(503).end('{}');
    };
    store.freeze();
    await vi.waitFor(() => {
      expect(asked).toBeGreaterThan(1);
    }, 10_000);
    expect((await hear({ at: other })).response.status).toBe(503);
    store.thaw();
    purchase.answer = answer;
    say(one, 'confirmed');
    await listener.ended;
    expect(listener.statuses).toEqual(['accepted', 'confirmed']);
  });
});

describe('a stream is bounded', () => {
  test('in time: with heartbeats until then, and a whole end', async () => {
    const other = await startOther({ heartbeatMs: 20, streamMs: 300 });
    say(one, 'accepted');
    await note(one, 'accepted');
    const listener = await hear({ at: other });
    await listener.ended;
    expect(listener.statuses).toEqual(['accepted']);
    expect(listener.comments).toBeGreaterThan(3);
    await streamsAre(0, other);
  });

  test('by its client: gone with it, and then nobody reads Redis', async () => {
    say(one, 'accepted');
    await note(one, 'accepted');
    const listener = await hear();
    await vi.waitFor(async () => {
      expect(await scriptCalls()).toBeGreaterThan(1);
    }, 10_000);
    listener.stop();
    await streamsAre(0);
    let calls = -1;
    await expect
      .poll(
        async () => {
          const before = calls;
          calls = await scriptCalls();
          return calls - before;
        },
        { interval: 500, timeout: 10_000 },
      )
      .toBe(0);
  });

  test('in number, of one user and of all, with an honest Retry-After', async () => {
    const other = await startOther({ streamsPerUserMax: 2, streamsMax: 3, streamMs: 40_000 });
    for (const index of [1, 2, 3, 4]) say(idOf(index), 'accepted');
    const own = [await hear({ at: other }), await hear({ at: other, orderId: idOf(2) })];
    const { response } = await hear({ at: other, orderId: idOf(3) });
    expect(response.status).toBe(429);
    expect(await response.json()).toMatchObject({ outcome: 'rate_limited', tier: 'user' });
    const waitSeconds = Number(response.headers.get('retry-after'));
    expect(waitSeconds).toBeGreaterThan(1);
    expect(waitSeconds).toBeLessThanOrEqual(40);
    // What was refused for another reason has taken no place.
    const eve = await tokenFor('eve');
    expect((await hear({ at: other, token: eve })).response.status).toBe(403);
    const { answer } = purchase;
    purchase.answer = (_, reply) => reply.end(JSON.stringify(orderOf(idOf(4), 'accepted')));
    const theirs = await hear({ at: other, orderId: idOf(4), token: eve });
    expect(theirs.response.status).toBe(200);
    const full = (await hear({ at: other, orderId: idOf(4), token: eve })).response;
    expect([full.status, full.headers.get('retry-after')]).toEqual([503, '1']);
    purchase.answer = answer;
    own[0]?.stop();
    await streamsAre(2, other);
    expect((await hear({ at: other, orderId: idOf(3) })).response.status).toBe(200);
  });

  test('in cost: many wait for the price of one', async () => {
    const other = await startOther({ streamsPerUserMax: 300 });
    const ids = Array.from({ length: 200 }, (_, index) => idOf(index));
    for (const id of ids) {
      say(id, 'accepted');
      await note(id, 'accepted');
    }
    const all = await Promise.all(ids.map((orderId) => hear({ at: other, orderId })));
    await streamsAre(200, other);
    const calls = await scriptCalls();
    await vi.waitFor(async () => {
      expect(await scriptCalls()).toBeGreaterThan(calls + 3);
    }, 10_000);
    for (const id of ids) await note(id, 'confirmed');
    await Promise.all(all.map(({ ended }) => ended));
    for (const { statuses } of all) expect(statuses).toEqual(['accepted', 'confirmed']);
    expect(await scriptCalls()).toBeLessThan(calls + 100);
  });

  test('by its server: whole ends at once, and the next instance goes on', async () => {
    const leaving = await startOther({});
    say(one, 'accepted');
    await note(one, 'accepted');
    const listener = await hear({ at: leaving });
    await untilHeard(listener, ['accepted']);
    leaving.endStreams();
    await listener.ended;
    expect((await hear({ at: leaving })).response.status).toBe(503);
    const next = await hear({ lastEventId: 'accepted' });
    await note(one, 'confirmed');
    await next.ended;
    expect(next.statuses).toEqual(['confirmed']);
  });
});
