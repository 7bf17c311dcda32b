// Stands in for prom-client in the bundles of functions that nobody sees: nothing is counted, kept,
// watched or told. What is left of a metric is a call that does nothing.

const nothing = () => undefined;

class Uncounted {
  readonly inc = nothing;
  readonly set = nothing;
  readonly setToCurrentTime = nothing;
  readonly observe = nothing;
  readonly zero = nothing;
  readonly reset = nothing;
}

export { Uncounted as Counter, Uncounted as Gauge, Uncounted as Histogram };

export class Registry {
  readonly contentType = 'text/plain';
  readonly setDefaultLabels = nothing;
  readonly metrics = () => Promise.resolve('');
  readonly getMetricsAsJSON = () => Promise.resolve([]);
}

export const collectDefaultMetrics = nothing;
