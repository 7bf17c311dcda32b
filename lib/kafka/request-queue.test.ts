import RequestQueue from 'kafkajs/src/network/requestQueue/index.js';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import './request-queue.ts';

const quiet = { debug: () => undefined, warn: () => undefined };
let sent: number[];
let queue: RequestQueue;

beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  queue = new RequestQueue({
    ...{ clientId: 'test', broker: 'test:9092', maxInFlightRequests: 1 },
    ...{ requestTimeout: 1_000, enforceRequestTimeout: false, isConnected: () => true },
    logger: quiet,
  });
});
afterEach(() => {
  vi.useRealTimers();
});

function push(correlationId: number): void {
  const entry = { correlationId, resolve: () => undefined, reject: () => undefined };
  const sendRequest = () => {
    sent.push(correlationId);
  };
  queue.push({ entry, expectResponse: true, sendRequest });
}

const fulfill = (correlationId: number) => {
  queue.fulfillRequest({ correlationId, payload: null, size: 0 });
};

test('a connection on which nothing waits sets no timer', () => {
  push(1);
  fulfill(1);
  expect(sent).toEqual([1]);
  expect(vi.getTimerCount()).toBe(0);
});

test('who waits for the one before is sent at its end, and then nothing is left', () => {
  push(1);
  push(2);
  expect(sent).toEqual([1]);
  fulfill(1);
  expect(sent).toEqual([1, 2]);
  fulfill(2);
  vi.advanceTimersByTime(100);
  expect(vi.getTimerCount()).toBe(0);
});

test('who waits because Kafka throttles us is sent when that is over', () => {
  queue.maybeThrottle(500);
  push(1);
  push(2);
  vi.advanceTimersByTime(499);
  expect(sent).toEqual([]);
  vi.advanceTimersByTime(20);
  expect(sent).toEqual([1]);
  fulfill(1);
  expect(sent).toEqual([1, 2]);
});
