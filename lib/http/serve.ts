// A Node server that lives behind proxies: it listens, says when it is ready, and on SIGTERM
// finishes what it has taken before it leaves, within a deadline.

import { createServer, type Server } from 'node:http';
import { getRequestListener, RequestError } from '@hono/node-server';
import type { Hono } from 'hono';
import { drainDeadlineMs } from '#lib/constants.ts';
import type { Log } from '#lib/telemetry/log.ts';
import { problem } from './problem.ts';
import { answerBadTarget, answerUnreadable } from './unreadable.ts';

/** Ready means: has been ready once, and is not draining (decision 12). */
export interface Readiness {
  isReady(): boolean;
  markReady(): void;
  drain(): void;
}

export function createReadiness(): Readiness {
  let state: 'starting' | 'ready' | 'draining' = 'starting';
  return {
    isReady: () => state === 'ready',
    markReady() {
      if (state === 'starting') state = 'ready';
    },
    drain() {
      state = 'draining';
    },
  };
}

/** Adds `GET /livez` and `GET /readyz`. */
export function addProbes(app: Hono, readiness: Readiness): void {
  app.get('/livez', (context) => context.text('alive'));
  app.get('/readyz', (context) =>
    readiness.isReady() ? context.text('ready') : context.text('not ready', 503),
  );
}

/** Listens on `host:port` (0: any free port) and resolves with the port it got. */
export async function listen(
  app: Hono,
  { host, port, log }: { host: string; port: number; log: Log },
): Promise<{ server: Server; port: number }> {
  const listener = getRequestListener(app.fetch, {
    errorHandler(error) {
      if (error instanceof RequestError) return answerBadTarget();
      log.error({ err: error }, 'a request failed');
      return problem('unavailable');
    },
  });
  const server = createServer(
    {
      // Longer than any proxy keeps an idle connection: Node's 5 s makes the queue-proxy answer
      // 502 when it reuses a connection that we are just closing (knative/serving#12414).
      keepAliveTimeout: 650_000,
      headersTimeout: 10_000,
      requestTimeout: 30_000,
      maxHeaderSize: 16 * 1_024,
      // Its absence is answered like every other fault, and not by Node without a word.
      requireHostHeader: false,
    },
    (request, response) => {
      listener(request, response).catch((error: unknown) => {
        log.error({ err: error }, 'a request could not be answered');
      });
    },
  );
  answerUnreadable(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
  log.info({ port: address.port }, 'listening');
  return { server, port: address.port };
}

/** Closes the server: no new connections, requests in flight are answered, or cut at the deadline. */
export async function close(server: Server, deadlineMs: number = drainDeadlineMs): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
  const idle = setInterval(() => {
    server.closeIdleConnections();
  }, 50);
  const deadline = setTimeout(() => {
    server.closeAllConnections();
  }, deadlineMs);
  await closed;
  clearInterval(idle);
  clearTimeout(deadline);
}

/**
 * Runs `leave` once on SIGTERM or SIGINT and exits 0, or 1 if it fails or takes longer than
 * the drain deadline.
 */
export function onTermination(log: Log, leave: () => Promise<void>): void {
  let leaving = false;
  const handle = (signal: NodeJS.Signals) => {
    if (leaving) return;
    leaving = true;
    log.info({ signal }, 'draining');
    setTimeout(() => {
      log.error('draining took too long');
      process.exit(1);
    }, drainDeadlineMs + 1_000).unref();
    leave().then(
      () => {
        process.exit(0);
      },
      (error: unknown) => {
        log.error({ err: error }, 'draining failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', handle);
  process.on('SIGINT', handle);
}
