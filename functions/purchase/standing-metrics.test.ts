import { Registry } from 'prom-client';
import { expect, test, vi } from 'vitest';
import type { Sale } from './catalogue.ts';
import type { Standing } from './standing.ts';
import { type StandingReaders, watchStanding } from './standing-metrics.ts';

const now = Date.parse('2026-11-11T00:00:00Z');

function aSale(overrides: Partial<Sale>): Sale {
  return {
    ...{ productId: 'phone', name: 'phone', unitPrice: 1, currency: 'CNY', limitPerUser: 1 },
    ...{ stock: 100, left: 40, sold: 60, pending: 0, generation: 1, loaded: true },
    ...{ settled: false, state: 'open', opensAt: null, closesAt: null, now: '' },
    ...overrides,
  };
}

const standing: Standing = {
  at: '',
  sales: [
    aSale({ pending: 7 }),
    aSale({ productId: 'tea', state: 'scheduled', opensAt: '2026-11-11T00:10:00Z', left: 100 }),
    aSale({ productId: 'cup', state: 'scheduled', opensAt: '2026-11-11T00:05:00Z', left: 100 }),
    aSale({ productId: 'old', state: 'ended', settled: true }),
  ],
  stores: { Redis: true, MySQL: true, etcd: 'away', Kafka: true },
  lagEvents: { 'persist-order': 3, 'update-rank': 0 },
  deadLetters: { 'persist-order': 2, 'update-rank': 0 },
};

function scraped(overrides: Partial<StandingReaders> = {}) {
  const registry = new Registry();
  watchStanding(registry, {
    read: () => Promise.resolve(standing),
    oldestPendingAtUs: () => Promise.resolve((now - 12_000) * 1_000),
    classOf: (productId) => (productId === 'phone' ? 'hot' : 'normal'),
    now: () => now,
    ...overrides,
  });
  return async () => (await registry.metrics()).split('\n').filter((line) => /^seckill/.test(line));
}

test('what all sales come to is told, by class and state and never by product', async () => {
  expect(await scraped()()).toEqual([
    ...['Redis', 'MySQL'].map((store) => `seckill_store_up{store="${store}"} 1`),
    'seckill_store_up{store="etcd"} 0',
    'seckill_store_up{store="Kafka"} 1',
    'seckill_sales{state="scheduled"} 2',
    'seckill_sales{state="open"} 1',
    ...['paused', 'sold_out', 'ended'].map((state) => `seckill_sales{state="${state}"} 0`),
    'seckill_stock_units{class="hot"} 100',
    'seckill_stock_units{class="normal"} 200',
    'seckill_left_units{class="hot"} 40',
    'seckill_left_units{class="normal"} 200',
    'seckill_outbox_orders 7',
    'seckill_outbox_oldest_seconds 12',
    'seckill_delivery_lag_events{sink="persist-order"} 3',
    'seckill_delivery_lag_events{sink="update-rank"} 0',
    'seckill_dead_letters{sink="persist-order"} 2',
    'seckill_dead_letters{sink="update-rank"} 0',
    `seckill_next_opening_timestamp_seconds ${now / 1_000 + 300}`,
  ]);
});

test('what is not known is no number, rather than zero', async () => {
  const away = { ...standing, sales: null, lagEvents: null, deadLetters: null };
  expect(await scraped({ read: () => Promise.resolve(away) })()).toEqual([
    ...['Redis', 'MySQL'].map((store) => `seckill_store_up{store="${store}"} 1`),
    'seckill_store_up{store="etcd"} 0',
    'seckill_store_up{store="Kafka"} 1',
    'seckill_outbox_orders Nan',
    'seckill_outbox_oldest_seconds Nan',
    'seckill_next_opening_timestamp_seconds Nan',
  ]);
});

test('an outbox that could not be read is not empty', async () => {
  const outboxes = async (overrides: Partial<StandingReaders>) =>
    (await scraped(overrides)()).filter((line) => line.includes('outbox'));
  const stores = { ...standing.stores, Redis: 'away' };
  const sales = [aSale({ pending: 0, loaded: false })];
  expect(await outboxes({ read: () => Promise.resolve({ ...standing, sales, stores }) })).toEqual([
    'seckill_outbox_orders Nan',
    'seckill_outbox_oldest_seconds Nan',
  ]);
  const away = () => Promise.reject(new Error('Redis is away'));
  expect(await outboxes({ oldestPendingAtUs: away })).toEqual([
    'seckill_outbox_orders 7',
    'seckill_outbox_oldest_seconds Nan',
  ]);
});

test('scrapes share a reading for ten seconds, and none waits for stores that hang', async () => {
  let time = now;
  const read = vi.fn(() => Promise.resolve(standing));
  const scrape = scraped({ read, now: () => time });
  await Promise.all([scrape(), scrape()]);
  time += 9_000;
  await scrape();
  expect(read).toHaveBeenCalledTimes(1);
  time += 2_000;
  read.mockReturnValueOnce(new Promise<never>(() => undefined));
  vi.useFakeTimers();
  try {
    const hanging = scrape();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await hanging).toContain('seckill_outbox_orders 7');
  } finally {
    vi.useRealTimers();
  }
  expect(read).toHaveBeenCalledTimes(2);
});
