import { expect, test } from 'vitest';
import { drainDeadlineMs } from '#lib/constants.ts';
import * as constants from './constants.ts';

test('as many events as may be in flight have a connection', () => {
  expect(constants.inFlightMax).toBeLessThan(constants.sinkConnectionsMax);
});

test('a member beats before its session ends, and has rejoined before it counts as stuck', () => {
  expect(constants.heartbeatIntervalMs).toBeLessThan(constants.sessionTimeoutMs);
  expect(constants.rebalanceTimeoutMs).toBeLessThan(constants.stuckAfterMs);
});

test('a paused partition is resumed before it has run dry', () => {
  expect(constants.bufferedBytesLow).toBeLessThan(constants.bufferedBytesHigh);
  expect(constants.bufferedBytesLow).toBeGreaterThan(constants.fetchBytesPerPartitionMax);
});

test('a commit is over before the next one is due', () => {
  expect(constants.commitTimeoutMs).toBeLessThan(constants.commitIntervalMs);
});

test('leaving commits and says good-bye within the deadline of the process', () => {
  const { inFlightDeadlineMs, commitTimeoutMs } = constants;
  expect(inFlightDeadlineMs + commitTimeoutMs).toBeLessThan(drainDeadlineMs);
});
