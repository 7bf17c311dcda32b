// Makes the document of each look: rates over the last seconds, totals since the watch began, and
// how the sales stood when an instance of `purchase` last told.

import type { Sale } from '#functions/purchase/catalogue.ts';
import type { Standing } from '#functions/purchase/standing.ts';
import { createAlarms } from './alarms.ts';
import { type Counting, createCounting, type Span } from './counting.ts';
import { type FunctionName, functionNames, type Instance, type Look, type Source } from './look.ts';
import { quantileOf } from './quantile.ts';
import type { Figures, FunctionStatus, Quantiles, SaleStatus, Status } from './status-document.ts';

export interface Reporter {
  readonly counting: Pick<Counting, 'intervals'>;
  /** Takes the next look in. */
  report(look: Look): Status;
}

export interface ReporterOptions {
  readonly source: Pick<Source, 'title' | 'namespace'>;
  /** Only this sale is told of. */
  readonly productId: string | undefined;
  /** What is measured: at least one interval between two looks. */
  readonly measuredMs?: number;
}

/** Long enough for quiet rates, short enough to see the opening. */
const measuredByDefaultMs = 5_000;
/** An order is consumed in bursts, and a quantile wants some of them. */
const delayMs = 10_000;

export function createReporter(options: ReporterOptions): Reporter {
  const { source, productId, measuredMs = measuredByDefaultMs } = options;
  const kubectl = source.namespace === undefined ? 'kubectl' : `kubectl -n ${source.namespace}`;
  const counting = createCounting();
  const alarms = createAlarms();
  const sold = createPace();
  /** The newest that was told: at zero instances nobody tells any more. */
  let standing: Standing | undefined;

  function report(look: Look): Status {
    counting.take(look);
    standing = look.standing ?? standing;
    const sales = salesOf(look.standing, productId);
    sold.take(look.atMs, sales ?? []);
    const [span, whole] = [counting.last(measuredMs), counting.whole()];
    const delays = counting.last(delayMs);
    const functions = functionNames.map((name) => functionStatus(name, look, span));
    const perSecond = figuresOf(span, span.seconds);
    const told = salesOf(standing, productId);
    return {
      at: new Date(look.atMs).toISOString(),
      system: source.title,
      asleep: look.instances.length === 0,
      measuredSeconds: span.seconds,
      perSecond,
      watchedSeconds: whole.seconds,
      counted: figuresOf(whole, undefined),
      delaySeconds: {
        'persist-order': quantilesOf(delays, 'persist-order'),
        'update-rank': quantilesOf(delays, 'update-rank'),
      },
      standingAt: standing?.at ?? null,
      sales: told?.map((sale) => saleStatus(sale, sold.perSecond(sale.productId))) ?? null,
      stores: standing?.stores ?? null,
      lagEvents: standing?.lagEvents ?? null,
      deadLetters: standing?.deadLetters ?? null,
      functions,
      alarms: alarms.judge({ look, told: told ?? [], functions, perSecond, counting, kubectl }),
      notes: look.notes,
    };
  }

  return { counting, report };
}

/** What goes on first, then what opens next, then what is over. */
function salesOf(standing: Standing | undefined, productId: string | undefined) {
  return standing?.sales
    ?.filter((sale) => productId === undefined || sale.productId === productId)
    .map((sale) => ({ sale, place: placeOf(sale) }))
    .sort((a, b) => (a.place < b.place ? -1 : a.place > b.place ? 1 : 0))
    .map(({ sale }) => sale);
}

const states: readonly Sale['state'][] = ['open', 'paused', 'sold_out', 'scheduled', 'ended'];

function placeOf({ state, opensAt }: Sale): string {
  return `${states.indexOf(state)} ${state === 'scheduled' ? (opensAt ?? 'later') : ''}`;
}

/** In a second, or counted where no seconds are given. */
function figuresOf(span: Span, seconds: number | undefined): Figures {
  const of = (count: number) => (seconds === undefined ? count : seconds > 0 ? count / seconds : 0);
  const requests = (labels: Readonly<Record<string, string>>) =>
    of(span.increase('seckill_requests_total', { labels }));
  const by = (name: string, label: string, where = {}) =>
    [...span.increaseBy(name, label, where)]
      .filter(([, count]) => count > 0)
      .sort(([, a], [, b]) => b - a)
      .map(([value, count]) => [value, of(count)] as const);
  const refused = ['refused', 'limited'].flatMap((result) =>
    by('seckill_requests_total', 'outcome', { labels: { result } }),
  );
  return {
    accepted: requests({ outcome: 'accepted' }),
    replayed: requests({ outcome: 'replayed' }),
    refused: Object.fromEntries(refused),
    limited: Object.fromEntries(by('seckill_rate_limited_total', 'tier')),
    failed: requests({ result: 'failed' }),
    rows: of(span.increase('seckill_persisted_orders_total', { labels: { result: 'confirmed' } })),
  };
}

function quantilesOf(span: Span, of: FunctionName): Quantiles | null {
  const at = (quantile: number) =>
    quantileOf(span, 'seckill_consume_delay_seconds', quantile, { function: of });
  const [p50, p99] = [at(0.5), at(0.99)];
  return p50 === undefined || p99 === undefined ? null : { p50, p99 };
}

function functionStatus(name: FunctionName, look: Look, span: Span): FunctionStatus {
  const all = look.instances.filter((one) => one.function === name);
  const inState = (state: Instance['state']) => all.filter((one) => one.state === state);
  const ready = inState('ready');
  const nodes = Map.groupBy(ready, ({ node }) => node ?? '');
  const cpu = span.increase('process_cpu_seconds_total', { function: name });
  return {
    name,
    ready: ready.length,
    wanted: look.wanted[name] ?? null,
    starting: inState('starting').length,
    leaving: inState('leaving').length,
    unread: all.filter(({ state, series }) => state === 'ready' && series === undefined).length,
    restarts: all.reduce((sum, { restarts }) => sum + restarts, 0),
    nodes: Object.fromEntries([...nodes].map(([node, some]) => [node, some.length])),
    cpuCores: span.seconds > 0 ? cpu / span.seconds : 0,
    memoryBytesMax: Math.max(0, ...all.map(memoryOf)),
  };
}

function memoryOf({ series = [] }: Instance): number {
  return series.find(({ name }) => name === 'process_resident_memory_bytes')?.value ?? 0;
}

function saleStatus(sale: Sale, soldPerSecond: number | null): SaleStatus {
  const { productId, name, state, stock, left, pending, loaded, settled, opensAt, closesAt } = sale;
  return {
    ...{ productId, name, state, stock, left, sold: sale.sold, pending, loaded, settled },
    ...{ opensAt, closesAt, soldPerSecond },
  };
}

/** How fast each sale sells, from how much it had sold at earlier looks. */
function createPace() {
  const marks = new Map<string, { atMs: number; sold: number }[]>();
  return {
    take(atMs: number, sales: readonly Sale[]) {
      for (const { productId, sold } of sales) {
        const earlier = marks.get(productId) ?? [];
        const kept = earlier.filter((mark) => mark.atMs >= atMs - delayMs);
        marks.set(productId, [...kept, { atMs, sold }]);
      }
    },
    /** Units; null before the second look. */
    perSecond(productId: string): number | null {
      const [first, ...rest] = marks.get(productId) ?? [];
      const last = rest.at(-1);
      if (first === undefined || last === undefined) return null;
      return Math.max(0, (last.sold - first.sold) / ((last.atMs - first.atMs) / 1_000));
    },
  };
}
