// What cannot even be read as a request (a header too many, a byte that may not be there) is
// answered as a problem too, like everything else, and the connection is closed.

import { type Server, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Outcome } from '#lib/outcome.ts';
import { problem } from './problem.ts';

/** By the code of Node's error; everything else breaks the rules of HTTP. */
const faults: Readonly<Record<string, { outcome: Outcome; detail: string }>> = {
  HPE_HEADER_OVERFLOW: { outcome: 'too_large', detail: 'headers: more than 16 KiB' },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { outcome: 'too_large', detail: 'body: chunk extensions' },
  ERR_HTTP_REQUEST_TIMEOUT: { outcome: 'malformed', detail: 'request: not complete in time' },
};

export function answerUnreadable(server: Server): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (!socket.writable || error.code === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    const { outcome, detail } = faults[error.code ?? ''] ?? unreadable;
    void end(socket, problem(outcome, { detail }));
  });
}

const unreadable = { outcome: 'malformed', detail: 'request: is not HTTP' } as const;

/** The answer to a request whose line or host makes no URL. */
export function answerBadTarget(): Response {
  return problem('malformed', { detail: 'path or Host: make no valid URL' });
}

async function end(socket: Duplex, response: Response): Promise<void> {
  const body = await response.text();
  const headers = [
    ...response.headers,
    ['connection', 'close'],
    ['content-length', byteLength(body)],
  ];
  const lines = headers.map(([name, value]) => `${String(name)}: ${String(value)}\r\n`).join('');
  const reason = STATUS_CODES[response.status] ?? '';
  socket.end(`HTTP/1.1 ${response.status} ${reason}\r\n${lines}\r\n${body}`);
}

function byteLength(text: string): string {
  return String(Buffer.byteLength(text));
}
