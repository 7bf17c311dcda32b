// What most queries are made of. The window is Grafana's: four scrapes at least, so that there is
// always a rate. Counters exist from the start of an instance, so what has not happened is 0.

const window = '[$__rate_interval]';

/** How many a second. */
export function perSecond(counter: string, by = ''): string {
  return `sum${grouped(by)}(rate(${counter}${window}))`;
}

/** The share of what is counted that the first selects of the second; 0 where nothing is counted. */
export function share(part: string, all: string): string {
  return `${perSecond(part)} / clamp_min(${perSecond(all)}, 1e-9)`;
}

/** Of a histogram: below this value are so many of 100; no value where nothing was observed. */
export function percentile(percent: number, histogram: string, by = '', selector = ''): string {
  const buckets = `rate(${histogram}_bucket${selector}${window})`;
  return `histogram_quantile(${percent / 100}, sum${grouped([by, 'le'].filter(Boolean).join(', '))}(${buckets}))`;
}

/** The same share; no value where nothing is counted, since 0 would be a bad one. */
export function ratio(part: string, all: string): string {
  return `${perSecond(part)} / ${perSecond(all)}`;
}

/** Of a histogram: the mean of what was observed; no value where nothing was. */
export function mean(histogram: string, by = ''): string {
  return `${perSecond(`${histogram}_sum`, by)} / ${perSecond(`${histogram}_count`, by)}`;
}

/**
 * All that instances which were seen in the time shown have counted since each of them started; of
 * one that was restarted under its name the larger part, so that nothing is ever taken back.
 */
export function total(counter: string, by = ''): string {
  return `sum${grouped(by)}(max_over_time(${counter}[$__range]))`;
}

function grouped(by: string): string {
  return by === '' ? '' : ` by (${by}) `;
}
