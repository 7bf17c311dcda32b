// A receiver of traces over OTLP/HTTP (JSON) for tests: it keeps what it is sent.

import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as z from 'zod';

export interface ReceivedSpan {
  readonly service: string;
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly isFailed: boolean;
  /** The spans it is linked to, by their ids. */
  readonly links: readonly string[];
  readonly startedAtNs: bigint;
  readonly endedAtNs: bigint;
}

export interface OtlpReceiver {
  /** What `OTEL_EXPORTER_OTLP_ENDPOINT` is set to. */
  readonly url: string;
  readonly spans: readonly ReceivedSpan[];
  /** The spans of one trace, as edges: `parent's service name > service name`, in a set. */
  edgesOf(traceId: string): Set<string>;
  /** From now on it answers with this status, and keeps nothing unless it is 200. */
  answerWith(status: number): void;
  close(): Promise<void>;
}

const attributes = z
  .array(
    z.object({
      key: z.string(),
      value: z.union([
        z.object({ stringValue: z.string() }).transform(({ stringValue }) => stringValue),
        z.object({ intValue: z.coerce.number() }).transform(({ intValue }) => intValue),
        z.object({ doubleValue: z.number() }).transform(({ doubleValue }) => doubleValue),
      ]),
    }),
  )
  .default([])
  .transform((pairs) => Object.fromEntries(pairs.map(({ key, value }) => [key, value])));

const requestSchema = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes }),
      scopeSpans: z.array(
        z.object({
          spans: z.array(
            z.object({
              name: z.string(),
              kind: z.number(),
              traceId: z.string().regex(/^[0-9a-f]{32}$/),
              spanId: z.string().regex(/^[0-9a-f]{16}$/),
              parentSpanId: z.string().optional(),
              attributes,
              status: z.object({ code: z.number().default(0) }),
              links: z.array(z.object({ spanId: z.string() })).default([]),
              startTimeUnixNano: z.coerce.bigint(),
              endTimeUnixNano: z.coerce.bigint(),
            }),
          ),
        }),
      ),
    }),
  ),
});

/** Listens on a free port of the loopback address. */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  let status = 200;
  const server = createServer((request, response) => {
    void textOf(request).then((text) => {
      if (status === 200 && request.url === '/v1/traces') spans.push(...spansIn(text));
      response.writeHead(request.url === '/v1/traces' ? status : 404);
      response.end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    spans,
    edgesOf: (traceId) => edgesOf(spans.filter((span) => span.traceId === traceId)),
    answerWith(next) {
      status = next;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function edgesOf(spans: readonly ReceivedSpan[]): Set<string> {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const nameOf = ({ service, name }: ReceivedSpan) => `${service} ${name}`;
  return new Set(
    spans.flatMap((span) => {
      const parent = byId.get(span.parentSpanId ?? '');
      return parent === undefined ? [] : [`${nameOf(parent)} > ${nameOf(span)}`];
    }),
  );
}

function spansIn(text: string): ReceivedSpan[] {
  const { resourceSpans } = requestSchema.parse(JSON.parse(text));
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap((scope) =>
      scope.spans.map((span) => ({
        service: String(resource.attributes['service.name']),
        ...{ name: span.name, kind: span.kind, traceId: span.traceId, spanId: span.spanId },
        parentSpanId: span.parentSpanId === '' ? undefined : span.parentSpanId,
        attributes: span.attributes,
        isFailed: span.status.code === 2,
        links: span.links.map(({ spanId }) => spanId),
        ...{ startedAtNs: span.startTimeUnixNano, endedAtNs: span.endTimeUnixNano },
      })),
    ),
  );
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
