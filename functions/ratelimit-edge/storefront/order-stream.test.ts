import { expect, test } from 'vitest';
import { createManualTimers, settle } from './manual-timers.ts';
import { createOrderStream } from './order-stream.ts';

interface Connection {
  readonly lastEventId: string;
  readonly signal: AbortSignal;
  readonly say: (text: string) => Promise<void>;
  readonly end: () => Promise<void>;
  readonly breakOff: () => Promise<void>;
}

const body = { productId: 'teapot', quantity: 1, unitPrice: 1, currency: 'CNY' };
const event = (status: string, orderId = 'a') =>
  `id: ${status}\nevent: order\ndata: ${JSON.stringify({ ...body, orderId, status })}\n\n`;

function setUp(answer?: () => Response) {
  const timers = createManualTimers();
  const page = { isVisible: true, change: (): void => undefined };
  const connections: Connection[] = [];
  const heard: string[] = [];
  const counts = { lost: 0, signedOut: 0 };
  const connect = (id: string, lastEventId: string, signal: AbortSignal) => {
    if (answer !== undefined) return Promise.resolve(answer());
    let controller: ReadableStreamDefaultController<Uint8Array>;
    const stream = new ReadableStream<Uint8Array>({
      start(given) {
        controller = given;
      },
    });
    let isOver = false;
    const once = (act: () => void) => {
      if (!isOver) act();
      isOver = true;
    };
    signal.addEventListener('abort', () => {
      once(() => {
        controller.error(signal.reason);
      });
    });
    connections.push({
      lastEventId: `${id} ${lastEventId}`,
      signal,
      say: (text) => {
        controller.enqueue(new TextEncoder().encode(text));
        return settle();
      },
      end: () => {
        once(() => {
          controller.close();
        });
        return settle();
      },
      breakOff: () => {
        once(() => {
          controller.error(new TypeError('network error'));
        });
        return settle();
      },
    });
    const headers = { 'content-type': 'text/event-stream' };
    return Promise.resolve(new Response(stream, { headers }));
  };
  const stream = createOrderStream({
    connect,
    timers,
    isVisible: () => page.isVisible,
    onVisible(run) {
      page.change = run;
      return () => undefined;
    },
    on: {
      order: ({ orderId, status }) => heard.push(`${orderId} ${status}`),
      lost: () => {
        counts.lost += 1;
      },
      signedOut: () => {
        counts.signedOut += 1;
      },
    },
  });
  const connection = (index: number) => {
    const found = connections[index];
    if (found === undefined) throw new Error(`there is no connection ${index}`);
    return found;
  };
  return { timers, page, connections, connection, heard, counts, stream };
}

test('tells what it hears, and covers the order from the start', async () => {
  const { stream, connection, heard, counts, connections, timers } = setUp();
  stream.follow('a');
  expect([stream.covers('a'), stream.covers('b')]).toEqual([true, false]);
  await settle();
  const [first, rest] = [event('accepted').slice(0, 20), event('accepted').slice(20)];
  await connection(0).say(`retry: 1000\n\n${first}`);
  await connection(0).say(`${rest}:\n\n`);
  expect(heard).toEqual(['a accepted']);
  await connection(0).say(event('confirmed'));
  expect(heard).toEqual(['a accepted', 'a confirmed']);
  stream.follow(undefined);
  await timers.advance(600_000);
  expect([connections.length, counts.lost]).toEqual([1, 0]);
  expect(connection(0).signal.aborted).toBe(true);
});

test('cut in the middle, it says so, and goes on after the last event', async () => {
  const { stream, connection, counts, timers, heard } = setUp();
  stream.follow('a');
  await settle();
  await connection(0).say(event('accepted'));
  await connection(0).breakOff();
  expect([stream.covers('a'), counts.lost]).toEqual([false, 1]);
  await timers.advance(2_000);
  expect(stream.covers('a')).toBe(true);
  expect(connection(1).lastEventId).toBe('a accepted');
  await connection(1).say(event('confirmed'));
  expect(heard).toEqual(['a accepted', 'a confirmed']);
});

test('ended by the server, it goes on without a poll, at growing pauses', async () => {
  const { stream, connections, connection, counts, timers } = setUp();
  stream.follow('a');
  const beganMs: number[] = [];
  for (let index = 0; index < 5; index += 1) {
    await settle();
    beganMs.push(timers.nowMs());
    await connection(index).say(':\n\n');
    await connection(index).end();
    expect(stream.covers('a')).toBe(true);
    while (connections.length === index + 1) await timers.advance(100);
  }
  const pausesMs = beganMs.slice(1).map((ms, index) => ms - (beganMs[index] ?? 0));
  expect(pausesMs).toEqual(pausesMs.toSorted((a, b) => a - b));
  expect(pausesMs.at(-1)).toBeGreaterThan(2 * (pausesMs[0] ?? 0));
  expect(counts.lost).toBe(0);
});

test('where a proxy holds it back, it is given up, and polls take over', async () => {
  const { stream, connections, counts, timers } = setUp();
  stream.follow('a');
  await timers.advance(600_000);
  expect(connections).toHaveLength(2);
  expect(counts.lost).toBe(2);
  stream.follow('b');
  await timers.advance(600_000);
  expect(connections).toHaveLength(2);
  expect(stream.covers('b')).toBe(false);
});

test('fallen silent, it is cut, and taken up again', async () => {
  const { stream, connections, connection, counts, timers } = setUp();
  stream.follow('a');
  await settle();
  await connection(0).say(event('accepted'));
  await timers.advance(12_000);
  expect(counts.lost).toBe(0);
  await timers.advance(3_000);
  expect(counts.lost).toBe(1);
  expect(connection(0).signal.aborted).toBe(true);
  expect(connections).toHaveLength(2);
});

test('rests while the page is hidden', async () => {
  const { stream, connections, connection, page, timers } = setUp();
  stream.follow('a');
  await settle();
  await connection(0).say(event('accepted'));
  page.isVisible = false;
  page.change();
  expect(stream.covers('a')).toBe(false);
  await timers.advance(600_000);
  expect(connections).toHaveLength(1);
  page.isVisible = true;
  page.change();
  await settle();
  expect(connection(1).lastEventId).toBe('a accepted');
});

test.each([
  [401, { lost: 1, signedOut: 1 }],
  [204, { lost: 1, signedOut: 0 }],
])('an answer %i is the end of it', async (status, expected) => {
  let asked = 0;
  const { stream, counts, timers } = setUp(() => {
    asked += 1;
    return new Response(null, { status });
  });
  stream.follow('a');
  await timers.advance(600_000);
  expect(asked).toBe(1);
  expect(counts).toEqual(expected);
});

test('refused, it asks less and less often', async () => {
  let asked = 0;
  const { stream, counts, timers } = setUp(() => {
    asked += 1;
    return Response.json({ outcome: 'unavailable' }, { status: 503 });
  });
  stream.follow('a');
  await timers.advance(60_000);
  expect(asked).toBeGreaterThan(4);
  expect(asked).toBeLessThan(12);
  expect(counts.lost).toBe(asked);
});
