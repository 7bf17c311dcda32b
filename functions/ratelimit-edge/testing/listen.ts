// For tests: a client of the streams of order events that keeps all it is told.

import { createParser } from 'eventsource-parser';

export interface HeardEvent {
  readonly id: string | undefined;
  readonly event: string | undefined;
  readonly data: Record<string, unknown>;
}

export interface Listener {
  readonly response: Response;
  readonly events: readonly HeardEvent[];
  /** Of the events so far. */
  readonly statuses: readonly unknown[];
  /** So many heartbeats came. */
  readonly comments: number;
  /** Resolves when the answer has ended as a whole; rejects when the connection broke. */
  readonly ended: Promise<void>;
  stop(): void;
}

export interface Listen {
  readonly url: string;
  readonly orderId: string;
  readonly token?: string;
  readonly lastEventId?: string;
}

/** Resolves with the headers of the answer. */
export async function listen({ url, orderId, token, lastEventId }: Listen): Promise<Listener> {
  const abort = new AbortController();
  const events: HeardEvent[] = [];
  let comments = 0;
  const parser = createParser({
    onEvent({ id, event, data }) {
      events.push({ id, event, data: JSON.parse(data) as Record<string, unknown> });
    },
    onComment() {
      comments += 1;
    },
  });
  const response = await fetch(`${url}/api/orders/${orderId}/events`, {
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    },
    signal: abort.signal,
  });
  const read = async () => {
    const decoder = new TextDecoder();
    if (response.body === null) return;
    for await (const chunk of response.body as ReadableStream<Uint8Array>) {
      parser.feed(decoder.decode(chunk, { stream: true }));
    }
  };
  const isStream = response.headers.get('content-type') === 'text/event-stream';
  const ended = isStream ? read() : Promise.resolve();
  ended.catch(() => undefined);
  return {
    response,
    events,
    get statuses() {
      return events.map(({ data }) => data.status);
    },
    get comments() {
      return comments;
    },
    ended,
    stop() {
      abort.abort();
    },
  };
}
