import { describe, expect, test } from 'vitest';
import { createServerClock } from './clock.ts';

const serverMs = 1_763_800_000_000;

function clockAt(monotonicMs: number, deviceMs = 0) {
  const now = { monotonicMs, deviceMs };
  const clock = createServerClock({
    monotonicMs: () => now.monotonicMs,
    deviceMs: () => now.deviceMs,
  });
  const exchange = (sentMs: number, receivedMs: number, dateMs?: number) => ({
    sentMs,
    receivedMs,
    dateMs,
  });
  return { clock, now, exchange };
}

describe('the server clock', () => {
  test('is the answer plus half the round trip, carried on monotonically', () => {
    const { clock, now, exchange } = clockAt(5_400);
    clock.observe(exchange(5_000, 5_400), serverMs);
    expect(clock.nowMs()).toBe(serverMs + 200);
    now.monotonicMs += 1_000;
    now.deviceMs += 86_400_000;
    expect(clock.nowMs()).toBe(serverMs + 1_200);
  });

  test('believes the answer that travelled fastest', () => {
    const { clock, now, exchange } = clockAt(5_020);
    clock.observe(exchange(5_000, 5_020), serverMs);
    now.monotonicMs = 9_020;
    // Two seconds on the way, all of them before the server looked at its clock.
    clock.observe(exchange(7_020, 9_020), serverMs + 4_010);
    expect(clock.nowMs()).toBe(serverMs + 10 + 4_000);
  });

  test('gives old answers up for new ones', () => {
    const { clock, now, exchange } = clockAt(10);
    clock.observe(exchange(0, 2), serverMs);
    for (let answer = 0; answer < 12; answer += 1) {
      clock.observe(exchange(0, 10), serverMs + 50_000);
    }
    now.monotonicMs = 10;
    expect(clock.nowMs()).toBe(serverMs + 50_005);
  });

  test('after a sleep only new answers count, and the old estimate until they come', () => {
    const { clock, now, exchange } = clockAt(100);
    clock.observe(exchange(90, 100), serverMs);
    clock.forget();
    expect(clock.nowMs()).toBe(serverMs + 5);
    now.monotonicMs = 1_100;
    clock.observe(exchange(1_000, 1_100), serverMs + 3_600_000);
    expect(clock.nowMs()).toBe(serverMs + 3_600_050);
  });

  test('falls back to the Date header, then to the device', () => {
    const { clock, exchange } = clockAt(100, 77);
    expect(clock.nowMs()).toBe(77);
    clock.observe(exchange(100, 100), undefined);
    expect(clock.nowMs()).toBe(77);
    clock.observe(exchange(100, 100, serverMs), undefined);
    expect(clock.nowMs()).toBe(serverMs + 500);
    clock.observe(exchange(60, 100), serverMs + 123);
    expect(clock.nowMs()).toBe(serverMs + 143);
  });
});
