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

test('one product never takes all the places of the edge, nor do those that are made up', () => {
  const { edgeBatchesInFlightMax, edgeUnknownBatchesInFlightMax } = constants;
  expect(constants.edgeBatchesInFlightPerProduct).toBeLessThan(edgeBatchesInFlightMax / 2);
  expect(edgeUnknownBatchesInFlightMax).toBeLessThan(edgeBatchesInFlightMax / 2);
  expect(constants.edgeQueuePerProductMax).toBeLessThan(constants.edgeQueueMax);
  expect(constants.edgeUnknownQueueMax).toBeLessThan(constants.edgeQueuePerProductMax);
});

test('a stream ends within half a minute, and beats before a proxy takes it for dead', () => {
  const { orderStreamHeartbeatMs, orderStreamMs } = constants;
  expect(orderStreamMs).toBeLessThanOrEqual(30_000);
  expect(orderStreamHeartbeatMs).toBeLessThanOrEqual(orderStreamMs / 3);
});

test('a lock outlives a send, so that a slow ack does not cost the holder its 202', () => {
  expect(constants.kafkaSendTimeoutMs).toBeLessThan(constants.lockTtlMs);
});

test('an event never holds more than one turn', () => {
  expect(constants.eventOrdersMax).toBeLessThanOrEqual(constants.turnOrdersMax);
});

test('an event fits into a send, and a send into what Kafka takes for one partition', () => {
  expect(constants.eventBytesMax).toBeLessThan(constants.sendBytesMax);
  expect(constants.sendBytesMax + constants.eventBytesMax).toBeLessThan(1_000_000);
});

test('a MySQL that is away holds a turn no longer than its buyers wait', () => {
  expect(constants.mysqlLockWaitSeconds * 1_000).toBeLessThan(constants.mysqlSilenceMaxMs);
  expect(constants.mysqlSilenceMaxMs).toBeLessThan(constants.purchaseDeadlineMs);
});

test('a sink answers before the source gives up waiting, and holds what one event may', () => {
  const { mysqlLockWaitSeconds, persistDeadlineMs, persistWaitMaxMs } = constants;
  expect(mysqlLockWaitSeconds * 1_000).toBeLessThan(persistDeadlineMs);
  expect(persistWaitMaxMs + persistDeadlineMs).toBeLessThan(constants.sourceTimeoutMs);
  expect(2 * constants.eventOrdersMax).toBeLessThan(constants.persistRowsPerTransactionMax);
  expect(constants.eventBytesMax).toBeLessThan(constants.eventBodyBytesMax);
});

test('whoever looks after all sales at once is not refused by the pool', () => {
  const { mysqlQueriesAtOnce, purchaseUpkeepConnections } = constants;
  expect(mysqlQueriesAtOnce).toBeLessThan(10 * purchaseUpkeepConnections);
});

test('a request may take longer than its headers, and is answered before its reader is given up', () => {
  expect(constants.headersTimeoutMs).toBeLessThan(constants.requestTimeoutMs);
  expect(constants.edgeRequestTimeoutMs).toBeLessThan(constants.answerUnreadMaxMs);
});
