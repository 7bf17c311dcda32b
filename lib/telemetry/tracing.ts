// Where a purchase is on its way and how long each step takes: W3C trace context, and spans for
// sampled purchases only. Whoever is not sampled pays for one comparison; without a collector
// nothing of OpenTelemetry is loaded. No attribute is personal: no user, order, token or address.

import type { Environment, tracingNames } from '#lib/environment.ts';
import type { Log } from './log.ts';

export type SpanKind = 'server' | 'client' | 'producer' | 'consumer' | 'internal';
export type Attributes = Readonly<Record<string, string | number>>;

/** The span of something that is sampled. Nothing here throws, and nothing waits. */
export interface Span {
  /** W3C trace context, for whoever goes on with it elsewhere. */
  readonly traceparent: string;
  /**
   * Begins its next step, as a span of its own; the step before ends there. It begins now, or
   * began at `sinceMs` (performance.now).
   */
  enter(step: string, options?: { kind?: SpanKind; sinceMs?: number }): Span;
  set(attributes: Attributes): void;
  /** It has failed, and its step of now with it: with an error, or what else it is called. */
  fail(why: unknown): void;
  end(): void;
}

export interface Tracing {
  /**
   * What has come from outside: sampled where its caller samples it, and else by our ratio.
   * Undefined where it is not sampled.
   */
  begin(name: string, traceparent: string | null | undefined): Span | undefined;
  /** What another function has sampled goes on here. */
  join(name: string, kind: SpanKind, traceparent: string | undefined): Span | undefined;
  /** What is done for all of these at once: in a trace of its own, linked to each, and each to it. */
  batch(name: string, members: readonly Span[]): Span;
  /** Sends what is left, as long as that may take. Never rejects. */
  stop(): Promise<void>;
}

const traceparentPattern = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** A trace context, level 1. */
export interface TraceContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly isSampled: boolean;
}

/** Undefined where it is none. */
export function parseTraceparent(text: string | null | undefined): TraceContext | undefined {
  if (text === null || text === undefined || !traceparentPattern.test(text)) return undefined;
  const [, traceId = '', spanId = '', flags = ''] = text.split('-');
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** The field of a log line that tells the trace it belongs to; none without one. */
export function traceOf(span: { readonly traceparent?: string | undefined } | undefined): {
  trace_id?: string;
} {
  const traceId = parseTraceparent(span?.traceparent)?.traceId;
  return traceId === undefined ? {} : { trace_id: traceId };
}

/** Without a collector, or before it is known: what a caller samples is passed on as it came. */
class PassedOn implements Span {
  readonly traceparent: string;

  constructor(traceparent: string) {
    this.traceparent = traceparent;
  }

  enter(): Span {
    return this;
  }

  set(): void {}

  fail(): void {}

  end(): void {}
}

function passOn(traceparent: string | null | undefined): Span | undefined {
  const isSampled = parseTraceparent(traceparent)?.isSampled === true;
  return isSampled ? new PassedOn(traceparent ?? '') : undefined;
}

export const noTracing: Tracing = {
  begin: (_, traceparent) => passOn(traceparent),
  join: (_name, _kind, traceparent) => passOn(traceparent),
  batch: (_, [first]) => first ?? new PassedOn(''),
  stop: () => Promise.resolve(),
};

/**
 * Spans go to the collector, if there is one. What makes them is loaded while the function waits
 * for its stores, and never on the way of its start; nothing is sampled before.
 */
export function createTracing(
  functionName: string,
  environment: Pick<Environment, (typeof tracingNames)[number]>,
  log: Log,
): Tracing {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER_ARG: ratio } = environment;
  if (endpoint === undefined) return noTracing;
  let now = noTracing;
  const load = async () => {
    const { createOtlpTracing } = await import('./otlp.ts');
    now = createOtlpTracing({ functionName, endpoint, ratio, log });
  };
  const loaded = new Promise<void>((resolve) => {
    setImmediate(() => {
      load()
        .catch((error: unknown) => {
          log.warn({ err: error }, 'there are no traces');
        })
        .finally(resolve);
    });
  });
  return {
    begin: (name, traceparent) => now.begin(name, traceparent),
    join: (name, kind, traceparent) => now.join(name, kind, traceparent),
    batch: (name, members) => now.batch(name, members),
    stop: async () => {
      await loaded;
      await now.stop();
    },
  };
}
