// A client that sends bytes as they are, for what no well-behaved one would send.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, vi } from 'vitest';

export interface RawClient {
  readonly socket: Socket;
  /** All it has been sent so far. */
  readonly text: () => string;
  /** Resolves with that when the server has closed its side. */
  readonly closed: Promise<string>;
  /** Resolves when it has been sent this. */
  readonly untilSent: (what: string) => Promise<void>;
}

/** Connects and sends; it reads what comes, unless told otherwise, and never closes its side. */
export async function rawClient(
  port: number,
  bytes: string | Buffer = '',
  { reads = true } = {},
): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  let text = '';
  if (reads) {
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
  }
  const closed = new Promise<string>((resolve) => {
    for (const event of ['end', 'close']) {
      socket.once(event, () => {
        resolve(text);
      });
    }
  });
  await once(socket, 'connect');
  socket.on('error', () => undefined);
  if (bytes.length > 0)
    socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  const untilSent = (what: string) =>
    vi.waitFor(
      () => {
        expect(text).toContain(what);
      },
      { timeout: 15_000, interval: 10 },
    );
  return { socket, closed, untilSent, text: () => text };
}
