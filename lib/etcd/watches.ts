// Many watches on one stream to etcd. A watch that breaks, for whatever reason, says so once and
// is over: whoever watched reads again, so that no event can be missed unnoticed.

import type { IDuplexStream, IWatchRequest, IWatchResponse } from 'etcd3';
import type { WatchListener, WatchRequest } from './etcd.ts';
import { toWatchRequest } from './messages.ts';

type Stream = IDuplexStream<IWatchRequest, IWatchResponse>;

export interface Watches {
  watch(request: WatchRequest, listener: WatchListener): () => void;
  /** Ends the stream and breaks all watches: it may hang on a member that is cut off. */
  reset(): void;
}

export function createWatches(open: () => Promise<Stream>): Watches {
  let listeners = new Map<string, WatchListener>();
  let stream: Promise<Stream> | undefined;
  let lastId = 0;

  function breakAll(broken: Promise<Stream> | undefined): void {
    if (broken === undefined || broken !== stream) return;
    const affected = listeners;
    stream = undefined;
    listeners = new Map();
    broken.then(close, () => undefined);
    for (const listener of affected.values()) listener.onBroken();
  }

  function connect(): Promise<Stream> {
    const opening = open();
    stream = opening;
    opening.then(
      (opened) => {
        opened.on('data', (response) => {
          if (stream === opening && !dispatch(response, listeners)) breakAll(opening);
        });
        opened.on('error', () => {
          breakAll(opening);
        });
        opened.on('end', () => {
          breakAll(opening);
        });
      },
      () => {
        breakAll(opening);
      },
    );
    return opening;
  }

  return {
    watch(request, listener) {
      lastId += 1;
      const id = lastId;
      const own = stream ?? connect();
      listeners.set(String(id), listener);
      own.then(
        (opened) => {
          if (listeners.get(String(id)) !== listener) return;
          opened.write({ create_request: toWatchRequest(id, request) });
        },
        () => undefined,
      );
      return () => {
        if (!listeners.delete(String(id))) return;
        own.then(
          (opened) => {
            if (own === stream) opened.write({ cancel_request: { watch_id: id } });
          },
          () => undefined,
        );
      };
    },
    reset() {
      breakAll(stream);
    },
  };
}

/** False if the answer cannot be told apart: then nothing on this stream can be relied on. */
function dispatch(response: IWatchResponse, listeners: Map<string, WatchListener>): boolean {
  const listener = listeners.get(response.watch_id);
  if (response.canceled) {
    listeners.delete(response.watch_id);
    listener?.onBroken();
    // A watch that is refused at once need not bear its id.
    return listener !== undefined || !response.created;
  }
  for (const { kv } of response.events) {
    // A listener may end its own watch in the middle of the answer.
    if (listeners.get(response.watch_id) !== listener) break;
    listener?.onEvent({ key: kv.key.toString(), createRevision: Number(kv.create_revision) });
  }
  return true;
}

function close(stream: Stream): void {
  // Ended before it is cancelled, or the library takes the cancellation for a failed member.
  stream.end();
  stream.cancel();
}
