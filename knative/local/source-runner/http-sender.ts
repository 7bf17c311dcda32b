// One POST to one sink, over connections that are kept: whatever happens, it comes back as what
// came of it, in bounded time.

import { Agent, request } from 'undici';
import { sinkConnectionsMax, timerMsMax } from './constants.ts';
import type { Attempt } from './delivery.ts';
import type { EventRequest } from './record-to-request.ts';

export interface HttpSender {
  /** Never rejects; answers within `timeoutMs`. */
  send(event: EventRequest): Promise<Attempt>;
  close(): Promise<void>;
}

/** A sender to one URL. Its time-out is that of a whole attempt. */
export function createHttpSender(url: string, attemptTimeoutMs: number): HttpSender {
  const timeoutMs = Math.min(attemptTimeoutMs, timerMsMax);
  // The attempt's own time-out is the only one, as in the dispatcher.
  const agent = new Agent({
    connections: sinkConnectionsMax,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: timeoutMs },
  });
  return {
    async send({ headers, body }) {
      try {
        const answer = await request(url, {
          method: 'POST',
          headers: { ...headers },
          body: body ?? null,
          dispatcher: agent,
          signal: AbortSignal.timeout(timeoutMs),
        });
        const bytes = Buffer.from(await answer.body.arrayBuffer());
        return {
          kind: 'answered',
          status: answer.statusCode,
          headers: answer.headers,
          body: bytes,
        };
      } catch (error) {
        return { kind: 'unanswered', reason: reasonOf(error) };
      }
    },
    close: () => agent.destroy(),
  };
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return 'no answer in time';
  // A refused connection to a name with several addresses has its text in the code only.
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  return error.message === '' ? code : error.message;
}
