// How all sales stand together, as gauges: what no counter of one instance can tell. Each instance
// says the same, so take one of them (`max`), never their sum. They are read from the stores when
// somebody scrapes, at most once in `keptMs`; what could not be read is NaN, and not zero.

import { Gauge, type Registry } from 'prom-client';
import { type ProductClass, productClasses } from '#lib/product-class.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { readOutbox } from '#lib/sale/sale.ts';
import type { Sale } from './catalogue.ts';
import type { Standing } from './standing.ts';

export interface StandingReaders {
  readonly read: () => Promise<Standing>;
  /** When the oldest order that Kafka has not got was accepted; epoch µs. Throws without Redis. */
  readonly oldestPendingAtUs: (productIds: readonly string[]) => Promise<number | undefined>;
  readonly classOf: (productId: string) => ProductClass;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

const keptMs = 10_000;
/** A scrape does not wait longer for stores that hang: it then says what they said last. */
const waitMaxMs = 1_000;

const states: readonly Sale['state'][] = ['scheduled', 'open', 'paused', 'sold_out', 'ended'];
const unknown = Number.NaN;

/** Registers the gauges. */
export function watchStanding(registry: Registry, readers: StandingReaders): void {
  const figures = keepReading(readers);
  for (const { name, help, labelName = '', valueOf } of gauges) {
    new Gauge({
      ...{ name, help, registers: [registry] },
      labelNames: labelName === '' ? [] : [labelName],
      async collect() {
        const now = await figures();
        this.reset();
        const value = now === undefined ? unknown : valueOf(now);
        if (typeof value === 'object') {
          for (const [of, one] of Object.entries(value)) this.set({ [labelName]: of }, one);
        } else if (labelName === '') this.set(value);
      },
    });
  }
}

interface Figures {
  readonly standing: Standing;
  /** Undefined: the outboxes are empty. NaN: they could not be read. */
  readonly oldestPendingAtUs: number | undefined;
  readonly readers: StandingReaders;
}

interface GaugeOfStanding {
  readonly name: string;
  readonly help: string;
  readonly labelName?: string;
  readonly valueOf: (figures: Figures) => number | Readonly<Record<string, number>>;
}

const gauges: readonly GaugeOfStanding[] = [
  {
    name: 'seckill_store_up',
    help: '1 where the store answers this instance.',
    labelName: 'store',
    valueOf: ({ standing: { stores } }) =>
      Object.fromEntries(
        Object.entries(stores).map(([store, why]) => [store, why === true ? 1 : 0]),
      ),
  },
  {
    name: 'seckill_sales',
    help: 'Sales that are not settled, by state.',
    labelName: 'state',
    valueOf: ({ standing }) => {
      const sales = salesIn(standing);
      if (sales === undefined) return {};
      const of = (state: string) => sales.filter((sale) => sale.state === state).length;
      return Object.fromEntries(states.map((state) => [state, of(state)]));
    },
  },
  unitsGauge('seckill_stock_units', 'put on sale', ({ stock }) => stock),
  unitsGauge('seckill_left_units', 'left', ({ left }) => left),
  {
    name: 'seckill_outbox_orders',
    help: 'Orders in the outboxes of all sales: accepted, and not known to be in Kafka.',
    valueOf: ({ standing }) =>
      outboxesIn(standing)?.reduce((sum, { pending }) => sum + pending, 0) ?? unknown,
  },
  {
    name: 'seckill_outbox_oldest_seconds',
    help: 'How long the oldest order in an outbox has been there; 0 where they are empty.',
    valueOf: ({ oldestPendingAtUs, readers: { now } }) => {
      if (oldestPendingAtUs === undefined) return 0;
      return Math.max(0, now() / 1_000 - oldestPendingAtUs / 1_000_000);
    },
  },
  {
    name: 'seckill_delivery_lag_events',
    help: 'Events in Kafka that the sink has not answered for.',
    labelName: 'sink',
    valueOf: ({ standing }) => standing.lagEvents ?? {},
  },
  {
    name: 'seckill_dead_letters',
    help: 'Dead letters that nobody has decided about.',
    labelName: 'sink',
    valueOf: ({ standing }) => standing.deadLetters ?? {},
  },
  {
    name: 'seckill_next_opening_timestamp_seconds',
    help: 'When the next scheduled sale opens, since 1970; 0 where none is scheduled.',
    valueOf: ({ standing, readers: { now } }) => {
      const times = salesIn(standing)
        ?.filter(({ state }) => state === 'scheduled')
        .map(({ opensAt }) => Date.parse(opensAt ?? ''))
        .filter((time) => time > now());
      if (times === undefined) return unknown;
      return times.length === 0 ? 0 : Math.min(...times) / 1_000;
    },
  },
];

function unitsGauge(name: string, what: string, unitsOf: (sale: Sale) => number): GaugeOfStanding {
  return {
    name,
    help: `Units ${what} in the sales that are not settled.`,
    labelName: 'class',
    valueOf: ({ standing, readers: { classOf } }) => {
      const sales = salesIn(standing);
      if (sales === undefined) return {};
      const units = (one: ProductClass) =>
        sales
          .filter(({ productId }) => classOf(productId) === one)
          .reduce((sum, sale) => sum + unitsOf(sale), 0);
      return Object.fromEntries(productClasses.map((one) => [one, units(one)]));
    },
  };
}

function salesIn({ sales }: Standing): readonly Sale[] | undefined {
  return sales?.filter(({ settled }) => !settled);
}

/** Those sales' outboxes are in Redis alone: without it nothing is known of them. */
function outboxesIn(standing: Standing): readonly Sale[] | undefined {
  return standing.stores.Redis === true ? salesIn(standing) : undefined;
}

/** All gauges of a scrape get the same reading, and those of scrapes that come soon after it. */
function keepReading(readers: StandingReaders): () => Promise<Figures | undefined> {
  let last: Figures | undefined;
  let readAtMs = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;

  const readOnce = async () => {
    const standing = await readers.read();
    last = { standing, oldestPendingAtUs: await oldestIn(standing, readers), readers };
    readAtMs = readers.now();
  };
  return async () => {
    if (readers.now() - readAtMs < keptMs) return last;
    reading ??= readOnce().finally(() => {
      reading = undefined;
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, waitMaxMs);
    });
    await Promise.race([reading, late]);
    clearTimeout(timer);
    return last;
  };
}

async function oldestIn(
  standing: Standing,
  { oldestPendingAtUs }: StandingReaders,
): Promise<number | undefined> {
  const pending = outboxesIn(standing)?.filter((sale) => sale.pending > 0);
  if (pending === undefined) return unknown;
  return oldestPendingAtUs(pending.map(({ productId }) => productId)).catch(() => unknown);
}

/** When the oldest order in these sales' outboxes was accepted; epoch µs. Throws without Redis. */
export async function oldestPendingAtUs(
  redis: RedisClient,
  productIds: readonly string[],
): Promise<number | undefined> {
  const outboxes = await Promise.all(productIds.map((productId) => readOutbox(redis, productId)));
  const times = outboxes.flatMap((batches) =>
    batches.map(({ data }) => Number(/"acceptedAt":(\d+)/.exec(data)?.[1])),
  );
  return times.length === 0 ? undefined : Math.min(...times);
}
