// Spans by OpenTelemetry's SDK, sent over OTLP/HTTP. Loaded only where there is a collector. A
// collector that is slow or away costs nobody anything but the spans: they wait in a bounded
// queue, and what finds no place there is dropped.

import { hostname } from 'node:os';
import {
  type Context,
  type Link,
  type Span as OtelSpan,
  SpanKind as OtelSpanKind,
  ROOT_CONTEXT,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  type SpanExporter,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { traceFlushMaxMs, tracesForcedPerSecondMax, turnOrdersMax } from '#lib/constants.ts';
import type { Log } from './log.ts';
import {
  type Attributes,
  noTracing,
  parseTraceparent,
  type Span,
  type SpanKind,
  type TraceContext,
  type Tracing,
} from './tracing.ts';

/** One in the queue is some hundred bytes; at a hundred traces a second it is a few seconds'. */
const spansWaitingMax = 4_096;
/** Turned into JSON at once: a millisecond or two. */
const spansSentAtOnce = 128;
const sendEveryMs = 1_000;
/** One attempt and its repetitions. */
const sendTimeoutMs = 5_000;

export interface OtlpOptions {
  /** It is the service that the spans are of. */
  readonly functionName: string;
  /** The base URL of an OTLP/HTTP receiver. */
  readonly endpoint: string;
  /** Which share of what comes from outside is sampled, 0 to 1. */
  readonly ratio: number;
  readonly log: Log;
  readonly random?: () => number;
  /** Milliseconds since whenever. */
  readonly nowMs?: () => number;
  readonly exporter?: SpanExporter;
}

/** See `Tracing`. Whatever the collector does, nothing here rejects or throws. */
export function createOtlpTracing(options: OtlpOptions): Tracing {
  const { functionName, endpoint, ratio, log, random = Math.random } = options;
  const url = `${endpoint.replace(/\/+$/, '')}/v1/traces`;
  const exporter =
    options.exporter ??
    new OTLPTraceExporter({ url, timeoutMillis: sendTimeoutMs, concurrencyLimit: 4 });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': functionName,
      'service.instance.id': hostname(),
    }),
    // Who is sampled is decided before a span is made.
    sampler: new AlwaysOnSampler(),
    spanLimits: { linkCountLimit: turnOrdersMax },
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: tellingOf(exporter, log),
        maxQueueSize: spansWaitingMax,
        maxExportBatchSize: spansSentAtOnce,
        scheduledDelayMillis: sendEveryMs,
        exportTimeoutMillis: 2 * sendTimeoutMs,
      }),
    ],
  });
  const tracer = provider.getTracer('seckill');
  const mayForce = allowPerSecond(tracesForcedPerSecondMax, options.nowMs);
  const start = (name: string, kind: SpanKind, parent: TraceContext | undefined) =>
    new LiveSpan(tracer, name, { kind, context: contextOf(parent), sinceMs: performance.now() });
  return {
    begin(name, traceparent) {
      const caller = parseTraceparent(traceparent);
      const isForced = caller?.isSampled === true && mayForce();
      if (!isForced && random() >= ratio) return undefined;
      return start(name, 'server', caller);
    },
    join(name, kind, traceparent) {
      const caller = parseTraceparent(traceparent);
      return caller?.isSampled === true ? start(name, kind, caller) : undefined;
    },
    batch(name, members) {
      const live = members.filter((member) => member instanceof LiveSpan);
      if (live.length === 0) return noTracing.batch(name, members);
      const links = live.map((member) => member.link());
      const sinceMs = performance.now();
      const span = new LiveSpan(tracer, name, { context: ROOT_CONTEXT, links, sinceMs });
      for (const member of live) member.linkTo(span);
      return span;
    },
    async stop() {
      const timeIsUp = new Promise<void>((resolve) => {
        setTimeout(resolve, traceFlushMaxMs).unref();
      });
      await Promise.race([provider.shutdown().catch(() => undefined), timeIsUp]);
    },
  };
}

interface LiveSpanOptions {
  readonly kind?: SpanKind | undefined;
  readonly context: Context;
  readonly links?: Link[];
  readonly sinceMs: number;
}

class LiveSpan implements Span {
  readonly traceparent: string;
  readonly #tracer: Tracer;
  readonly #span: OtelSpan;
  readonly #sinceMs: number;
  #step: LiveSpan | undefined;

  constructor(tracer: Tracer, name: string, options: LiveSpanOptions) {
    const { kind = 'internal', context, links = [], sinceMs } = options;
    this.#tracer = tracer;
    this.#sinceMs = sinceMs;
    const startTime = epochMsOf(sinceMs);
    this.#span = tracer.startSpan(name, { kind: kinds[kind], links, startTime }, context);
    const { traceId, spanId } = this.#span.spanContext();
    this.traceparent = `00-${traceId}-${spanId}-01`;
  }

  enter(step: string, { kind, sinceMs = performance.now() }: EnterOptions = {}): Span {
    const fromMs = Math.max(sinceMs, (this.#step ?? this).#sinceMs);
    if (this.#step) this.#step.#endAt(fromMs);
    const context = trace.setSpan(ROOT_CONTEXT, this.#span);
    this.#step = new LiveSpan(this.#tracer, step, { kind, context, sinceMs: fromMs });
    return this.#step;
  }

  set(attributes: Attributes): void {
    this.#span.setAttributes(attributes);
  }

  fail(why: unknown): void {
    this.#step?.fail(why);
    this.#span.setStatus({ code: SpanStatusCode.ERROR });
    this.#span.setAttribute('error.type', why instanceof Error ? why.name : String(why));
  }

  end(): void {
    this.#endAt(performance.now());
  }

  link(): Link {
    return { context: this.#span.spanContext() };
  }

  linkTo(other: LiveSpan): void {
    this.#span.addLink(other.link());
  }

  #endAt(atMs: number): void {
    if (this.#step) this.#step.#endAt(atMs);
    this.#step = undefined;
    this.#span.end(epochMsOf(atMs));
  }
}

type EnterOptions = NonNullable<Parameters<Span['enter']>[1]>;

/** Of one clock for all spans of a process, so that its steps fit each other. */
function epochMsOf(atMs: number): number {
  return performance.timeOrigin + atMs;
}

const kinds: Readonly<Record<SpanKind, OtelSpanKind>> = {
  server: OtelSpanKind.SERVER,
  client: OtelSpanKind.CLIENT,
  producer: OtelSpanKind.PRODUCER,
  consumer: OtelSpanKind.CONSUMER,
  internal: OtelSpanKind.INTERNAL,
};

function contextOf(parent: TraceContext | undefined): Context {
  if (parent === undefined) return ROOT_CONTEXT;
  const { traceId, spanId } = parent;
  const spanContext = { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true };
  return trace.setSpanContext(ROOT_CONTEXT, spanContext);
}

/** Strangers may ask for traces, but not make us trace everything. */
function allowPerSecond(max: number, nowMs = () => performance.now()): () => boolean {
  let second = Number.NEGATIVE_INFINITY;
  let used = 0;
  return () => {
    const now = nowMs();
    if (now - second >= 1_000) {
      second = now;
      used = 0;
    }
    used += 1;
    return used <= max;
  };
}

/** The exporter, which tells of a collector that is away: once, and when it is back. */
function tellingOf(exporter: SpanExporter, log: Log): SpanExporter {
  let lost = 0;
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        if (result.error !== undefined) {
          if (lost === 0) log.warn({ err: result.error }, 'the collector does not take spans');
          lost += spans.length;
        } else if (lost > 0) {
          log.info({ lost }, 'the collector takes spans again');
          lost = 0;
        }
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
  };
}
