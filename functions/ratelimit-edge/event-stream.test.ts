import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openEventStream } from './event-stream.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function open() {
  const disconnect = vi.fn();
  const onEnd = vi.fn();
  const limits = { streamMs: 30_000, heartbeatMs: 1_000, retryMs: 500 };
  return { disconnect, onEnd, stream: openEventStream({ ...limits, disconnect, onEnd }) };
}

test('a client that takes nothing is cut off while little waits for it', async () => {
  const { stream, disconnect, onEnd } = open();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(disconnect).toHaveBeenCalledOnce();
  expect(onEnd).toHaveBeenCalledOnce();
  stream.end();
  expect(await stream.response.body?.getReader().read()).toMatchObject({ done: false });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(onEnd).toHaveBeenCalledOnce();
});

test('a client that reads has it until the limit, as a whole answer that must be taken', async () => {
  const { stream, disconnect, onEnd } = open();
  const text = stream.response.text();
  stream.send({ id: 'accepted', event: 'order', data: '{}' });
  await vi.advanceTimersByTimeAsync(29_999);
  expect(onEnd).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(onEnd).toHaveBeenCalledOnce();
  const event = 'id: accepted\nevent: order\ndata: {}\n\n';
  expect(await text).toBe(`retry: 500\n\n${event}${':\n\n'.repeat(29)}`);
  expect(disconnect).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(disconnect).toHaveBeenCalledOnce();
});

test('a client that goes ends it, and nothing is written any more', async () => {
  const { stream, onEnd } = open();
  await stream.response.body?.cancel();
  expect(onEnd).toHaveBeenCalledOnce();
  stream.send({ id: 'accepted', event: 'order', data: '{}' });
  stream.end();
  expect(onEnd).toHaveBeenCalledOnce();
  expect(vi.getTimerCount()).toBe(0);
});
