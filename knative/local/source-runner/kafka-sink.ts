// The receiver of KafkaSinks: a CloudEvent that comes by HTTP is written to the sink's topic in
// binary content mode, and answered 202 only when all in-sync replicas have it.

import { Hono } from 'hono';
import type { Log } from '#lib/telemetry/log.ts';
import {
  type CloudEvent,
  isStructured,
  readBinaryEvent,
  readStructuredEvent,
} from './cloud-event.ts';
import type { OutgoingRecord, RecordWriter } from './kafka.ts';
import type { KafkaSinkManifest } from './manifest.ts';

const headerPrefix = 'ce-';

/** One endpoint per sink, `POST /<namespace>/<name>`, as Knative's own. */
export function createKafkaSinks(
  sinks: readonly KafkaSinkManifest[],
  writer: RecordWriter,
  log: Log,
): Hono {
  const app = new Hono();
  for (const { namespace, name, topic } of sinks) {
    const path = `/${namespace}/${name}`;
    app.post(path, async (context) => {
      const body = Buffer.from(await context.req.arrayBuffer());
      const event = eventIn(context.req.raw.headers, body);
      if (event === undefined) return context.text('not a CloudEvent', 400);
      try {
        await writer.write(topic, recordOf(event));
        return context.body(null, 202);
      } catch (error) {
        log.warn({ err: error, topic }, 'a KafkaSink could not write');
        return context.text('not written', 503);
      }
    });
    app.all(path, (context) => context.text('POST only', 405));
  }
  return app;
}

function eventIn(headers: Headers, body: Buffer): CloudEvent | undefined {
  if (isStructured(headers.get('content-type'))) return readStructuredEvent(body);
  const attributes: [string, string][] = [];
  for (const [name, value] of headers) {
    if (name === 'content-type') attributes.push(['datacontenttype', value]);
    else if (name.startsWith(headerPrefix) && name.length > headerPrefix.length) {
      attributes.push([name.slice(headerPrefix.length), value]);
    }
  }
  return readBinaryEvent(attributes, body);
}

/** The key is the event's `partitionkey`, so a replay meets the partition it came from. */
function recordOf({ attributes, data }: CloudEvent): OutgoingRecord {
  const headers: Record<string, string> = {};
  for (const [name, value] of attributes) {
    headers[name === 'datacontenttype' ? 'content-type' : `ce_${name}`] = value;
  }
  return { key: attributes.get('partitionkey') ?? null, headers, value: data ?? null };
}
