// What cannot even be read as a request (a header too many, a byte that may not be there) is
// answered as a problem too, like everything else, and the connection is closed.

import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import { Socket } from 'node:net';
import type { Outcome } from '#lib/outcome.ts';
import type { Connections } from './connections.ts';
import { problem, problemParts } from './problem.ts';

/** By the code of Node's error; everything else breaks the rules of HTTP. */
const faults: Readonly<Record<string, { outcome: Outcome; detail: string }>> = {
  HPE_HEADER_OVERFLOW: { outcome: 'too_large', detail: 'headers: more than 16 KiB' },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { outcome: 'too_large', detail: 'body: chunk extensions' },
  ERR_HTTP_REQUEST_TIMEOUT: { outcome: 'malformed', detail: 'request: not complete in time' },
};
const unreadable = { outcome: 'malformed', detail: 'request: is not HTTP' } as const;

/** To take what still arrives: a connection closed before that takes the answer with it. */
const lingerMs = 1_000;

export function answerUnreadable(server: Server, connections: Connections): void {
  const answered = new WeakSet<Socket>();
  const answer = (socket: Socket, { status, headers, body }: ReturnType<typeof problemParts>) => {
    answered.add(socket);
    const lines = Object.entries({
      ...headers,
      connection: 'close',
      'content-length': Buffer.byteLength(body),
    }).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`);
    const cut = setTimeout(() => {
      socket.destroy();
    }, lingerMs);
    socket.once('close', () => {
      clearTimeout(cut);
    });
  };

  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (!(socket instanceof Socket)) throw new TypeError('not a connection of this server');
    // What comes after an answer is as unreadable as what it answers.
    if (answered.has(socket)) return;
    const isUnused = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && socket.bytesRead === 0;
    if (isUnused || !socket.writable || error.code === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    // An answer now would be read as that to an earlier request, or in the middle of it.
    if (connections.isAnswering(socket)) {
      socket.destroySoon();
      return;
    }
    const { outcome, detail } = faults[error.code ?? ''] ?? unreadable;
    answer(socket, problemParts(outcome, { detail }));
  });
  server.on('connect', (_request: IncomingMessage, socket) => {
    if (!(socket instanceof Socket)) throw new TypeError('not a connection of this server');
    socket.on('error', () => undefined);
    answer(socket, problemParts('method_not_allowed', { detail: 'method: no proxy' }));
  });
}

/** The answer to a request whose line or host makes no URL. */
export function answerBadTarget(): Response {
  return problem('malformed', { detail: 'path or Host: make no valid URL' });
}
