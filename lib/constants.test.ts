import { expect, test } from 'vitest';
import * as constants from './constants.ts';

test('each wait is shorter than the wait of whoever waits for it', () => {
  const waits = [
    constants.redisCommandTimeoutMs,
    constants.kafkaSendTimeoutMs,
    constants.kafkaSendTimeoutMs + 2 * constants.redisCommandTimeoutMs,
    constants.purchaseDeadlineMs,
    constants.edgeForwardTimeoutMs,
    constants.edgeRequestTimeoutMs,
    constants.drainDeadlineMs,
  ];
  expect(waits).toEqual([...waits].sort((a, b) => a - b));
  expect(new Set(waits).size).toBe(waits.length);
});

test('a lock outlives a send, so that a slow ack does not cost the holder its 202', () => {
  expect(constants.kafkaSendTimeoutMs).toBeLessThan(constants.lockTtlMs);
});

test('one event never holds more than one batch', () => {
  expect(constants.eventOrdersMax).toBeLessThanOrEqual(constants.batchOrdersMax);
});
