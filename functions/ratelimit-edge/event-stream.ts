// One answer of server-sent events. It ends by itself, its client is kept awake by heartbeats, and
// who does not take what is sent is cut off: what waits for a client is a few small texts at most.

import { apiHeaders } from './answers.ts';

export interface EventStreamOptions {
  /** It ends this long after it was opened, whatever happened. */
  readonly streamMs: number;
  readonly heartbeatMs: number;
  /** How long a client is to wait before it asks again, once it has ended. */
  readonly retryMs: number;
  /** Cuts the connection, unless the whole answer has left. */
  readonly disconnect: () => void;
  /** Once, however it came to an end. */
  readonly onEnd: () => void;
}

export interface StreamedEvent {
  readonly id: string;
  readonly event: string;
  /** One line. */
  readonly data: string;
}

export interface EventStream {
  readonly response: Response;
  send(event: StreamedEvent): void;
  /** A whole answer, without an error for the client. */
  end(): void;
}

export const eventStreamHeaders = {
  ...apiHeaders,
  'content-type': 'text/event-stream',
  // Proxies that compress, or wait for more, would hold events back.
  'cache-control': 'no-store, no-transform',
  'x-accel-buffering': 'no',
} as const;

/** So many texts may wait for a client. An order's whole way is four. */
const unreadMax = 6;
const encoder = new TextEncoder();

export function openEventStream(options: EventStreamOptions): EventStream {
  let isOpen = true;
  let controller: ReadableStreamDefaultController<Uint8Array>;
  const settle = () => {
    if (!isOpen) return;
    isOpen = false;
    clearInterval(heartbeat);
    clearTimeout(limit);
    options.onEnd();
  };
  const end = () => {
    if (!isOpen) return;
    settle();
    controller.close();
    // The end, too, must be taken.
    setTimeout(options.disconnect, options.heartbeatMs).unref();
  };
  const write = (text: string) => {
    if (!isOpen) return;
    controller.enqueue(encoder.encode(text));
    if ((controller.desiredSize ?? 0) > 0) return;
    settle();
    options.disconnect();
  };
  const body = new ReadableStream<Uint8Array>(
    {
      start(given) {
        controller = given;
      },
      // The client has gone.
      cancel: settle,
    },
    { highWaterMark: unreadMax },
  );
  const heartbeat = setInterval(write, options.heartbeatMs, ':\n\n');
  const limit = setTimeout(end, options.streamMs);
  write(`retry: ${options.retryMs}\n\n`);
  return {
    response: new Response(body, { status: 200, headers: eventStreamHeaders }),
    send({ id, event, data }) {
      write(`id: ${id}\nevent: ${event}\ndata: ${data}\n\n`);
    },
    end,
  };
}
