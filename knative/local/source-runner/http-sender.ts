// One POST to one sink, over connections that are kept: whatever happens, it comes back as what
// came of it, in bounded time.

import { Agent, request as undiciRequest } from 'undici';
import { sinkConnectionsMax, timerMsMax } from './constants.ts';
import type { Attempt } from './delivery.ts';
import { isHeaderValue } from './header-values.ts';
import type { EventRequest } from './record-to-request.ts';

export interface HttpSender {
  /** Never rejects; answers within `timeoutMs`. */
  send(event: EventRequest): Promise<Attempt>;
  close(): Promise<void>;
}

/** A sender to one URL. Its time-out is that of a whole attempt, and its own timer keeps it. */
export function createHttpSender(
  url: string,
  attemptTimeoutMs: number,
  request: typeof undiciRequest = undiciRequest,
): HttpSender {
  const timeoutMs = Math.min(attemptTimeoutMs, timerMsMax);
  // The attempt's own time-out is the only one, as in the dispatcher.
  const agent = new Agent({
    connections: sinkConnectionsMax,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: timeoutMs },
  });

  async function post({ headers, body }: EventRequest, signal: AbortSignal): Promise<Attempt> {
    try {
      const answer = await request(url, {
        ...{ method: 'POST', headers: { ...headers }, body: body ?? null },
        ...{ dispatcher: agent, signal },
      });
      const bytes = Buffer.from(await answer.body.arrayBuffer());
      return {
        ...{ kind: 'answered', status: answer.statusCode },
        ...{ headers: answer.headers, body: bytes },
      };
    } catch (error) {
      return { kind: 'unanswered', reason: reasonOf(error) };
    }
  }

  return {
    async send(event) {
      const name = nameOfUnsendable(event.headers);
      if (name !== undefined)
        return { kind: 'unsendable', reason: `HTTP cannot carry its ${name}` };
      const late = Promise.withResolvers<Attempt>();
      const abort = new AbortController();
      // undici does not give up a request that still waits for a connection.
      const timer = setTimeout(() => {
        late.resolve({ kind: 'unanswered', reason: 'no answer in time' });
        abort.abort();
      }, timeoutMs).unref();
      try {
        return await Promise.race([post(event, abort.signal), late.promise]);
      } finally {
        clearTimeout(timer);
      }
    },
    close: () => agent.destroy(),
  };
}

function nameOfUnsendable(headers: EventRequest['headers']): string | undefined {
  return Object.keys(headers).find((name) => !isHeaderValue(headers[name] ?? ''));
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // A refused connection to a name with several addresses has its text in the code only.
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  return error.message === '' ? code : error.message;
}
