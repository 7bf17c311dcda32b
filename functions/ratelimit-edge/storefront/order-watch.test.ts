import { expect, test } from 'vitest';
import type { Order, OrderStatus } from './answers.ts';
import { ReadError } from './api.ts';
import { createManualTimers } from './manual-timers.ts';
import type { OrderStreamEvents } from './order-stream.ts';
import { watchOrders } from './order-watch.ts';
import { startPoll } from './poll.ts';

const order = (orderId: string, status: OrderStatus, acceptedAtMs = 1): Order => ({
  orderId,
  productId: 'teapot',
  quantity: 1,
  status,
  unitPrice: 19_900,
  currency: 'CNY',
  acceptedAtMs,
});

function setUp(listed: Order[], isAway = false, covered: string[] = []) {
  const timers = createManualTimers();
  const server = { listed, isAway, isSignedOut: false, single: 0, lists: 0 };
  const stream: { on?: OrderStreamEvents; followed: (string | undefined)[] } = { followed: [] };
  let signedOut = 0;
  const check = () => {
    if (server.isAway) throw new ReadError(503, 0);
    if (server.isSignedOut) throw new ReadError(401, 0);
  };
  const watch = watchOrders(
    {
      async orders() {
        server.lists += 1;
        check();
        return Promise.resolve(server.listed);
      },
      async order(id) {
        server.single += 1;
        check();
        const found = server.listed.find(({ orderId }) => orderId === id);
        if (found === undefined) throw new ReadError(404, 0);
        return Promise.resolve(found);
      },
    },
    (options) =>
      startPoll({ ...options, timers, isVisible: () => true, onVisible: () => () => undefined }),
    (on) => {
      stream.on = on;
      return { follow: (id) => stream.followed.push(id), covers: (id) => covered.includes(id) };
    },
    {
      change: () => undefined,
      signedOut: () => {
        signedOut += 1;
      },
    },
  );
  const statuses = () => watch.orders?.map(({ status }) => status);
  return { timers, server, stream, watch, statuses, signedOut: () => signedOut };
}

test('an accepted order is asked for until it is confirmed, then no more', async () => {
  const { timers, server, watch, statuses } = setUp([]);
  await timers.advance(0);
  expect(watch.orders).toEqual([]);
  server.listed = [order('a', 'accepted')];
  watch.add(order('a', 'accepted'));
  await timers.advance(2_000);
  expect(statuses()).toEqual(['accepted']);
  server.listed = [order('a', 'confirmed')];
  await timers.advance(10_000);
  expect(statuses()).toEqual(['confirmed']);
  const { single, lists } = server;
  await timers.advance(600_000);
  expect([server.single, server.lists]).toEqual([single, lists]);
});

test('what the stream tells is not asked for, until the stream is lost', async () => {
  const covered = ['a'];
  const { timers, server, stream, watch, statuses } = setUp(
    [order('b', 'accepted', 1)],
    false,
    covered,
  );
  await timers.advance(0);
  watch.add(order('a', 'accepted', 2));
  expect(stream.followed.at(-1)).toBe('a');
  server.listed = [order('a', 'confirmed', 2), order('b', 'confirmed', 1)];
  await timers.advance(60_000);
  expect(statuses()).toEqual(['accepted', 'confirmed']);
  const { single } = server;
  covered.length = 0;
  stream.on?.lost();
  await timers.advance(0);
  expect([statuses(), server.single]).toEqual([['confirmed', 'confirmed'], single + 1]);
});

test('an order that the stream tells of is shown, and then the next is listened for', async () => {
  const covered = ['a', 'b'];
  const listed = [order('b', 'accepted', 2), order('a', 'accepted', 1)];
  const { timers, server, stream, statuses } = setUp(listed, false, covered);
  await timers.advance(0);
  expect(stream.followed.at(-1)).toBe('b');
  stream.on?.order(order('b', 'confirmed', 2));
  expect(statuses()).toEqual(['confirmed', 'accepted']);
  expect(stream.followed.at(-1)).toBe('a');
  stream.on?.order(order('a', 'confirmed', 1));
  expect(stream.followed.at(-1)).toBeUndefined();
  expect(server.single).toBe(0);
});

test('an order that cannot be found keeps none of the others from being asked for', async () => {
  const { timers, server, watch, statuses } = setUp([order('a', 'accepted', 1)]);
  await timers.advance(0);
  watch.add(order('lost', 'accepted', 2));
  server.listed = [order('a', 'confirmed', 1)];
  await timers.advance(5_000);
  expect(statuses()).toEqual(['accepted', 'confirmed']);
});

test('an order that the list lacks for a moment stays', async () => {
  const { timers, watch } = setUp([order('old', 'confirmed')]);
  await timers.advance(0);
  watch.add(order('new', 'accepted', 5));
  watch.refresh();
  await timers.advance(0);
  expect(watch.orders?.map(({ orderId }) => orderId)).toEqual(['new', 'old']);
});

test('a list that failed is asked for again', async () => {
  const { timers, server, watch } = setUp([order('a', 'confirmed')], true);
  await timers.advance(5_000);
  expect(watch.orders).toBeUndefined();
  server.isAway = false;
  await timers.advance(20_000);
  expect(watch.orders).toHaveLength(1);
});

test('says when the sign-in is no longer believed', async () => {
  const { timers, server, signedOut, watch } = setUp([]);
  await timers.advance(0);
  server.isSignedOut = true;
  watch.refresh();
  await timers.advance(0);
  expect(signedOut()).toBe(1);
});
