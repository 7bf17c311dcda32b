// A Node server that lives behind proxies: it listens, says when it is ready, and on SIGTERM
// finishes what it has taken before it leaves, within a deadline.

import { readFileSync } from 'node:fs';
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { Server as TcpServer } from 'node:net';
import { getRequestListener, RequestError } from '@hono/node-server';
import type { Hono } from 'hono';
import {
  answerUnreadMaxMs,
  connectionsMax,
  drainDeadlineMs,
  headerBytesMax,
  headersMax,
  headersTimeoutMs,
  requestTimeoutMs,
} from '#lib/constants.ts';
import type { Log } from '#lib/telemetry/log.ts';
import { type Connections, superviseConnections } from './connections.ts';
import { problem } from './problem.ts';
import { answerBadTarget, answerUnreadable } from './unreadable.ts';

/** Ready means: has been ready once, and is not draining (decision 12). */
export interface Readiness {
  isReady(): boolean;
  markReady(): void;
  drain(): void;
  /** How old the process was when it was ready first; undefined before. */
  startedWithinSeconds(): number | undefined;
}

export function createReadiness(): Readiness {
  let state: 'starting' | 'ready' | 'draining' = 'starting';
  let startedWithinSeconds: number | undefined;
  return {
    isReady: () => state === 'ready',
    markReady() {
      if (state !== 'starting') return;
      state = 'ready';
      startedWithinSeconds = process.uptime();
    },
    drain() {
      state = 'draining';
    },
    startedWithinSeconds: () => startedWithinSeconds,
  };
}

/** Adds `GET /livez` and `GET /readyz`. */
export function addProbes(app: Hono, readiness: Readiness): void {
  app.get('/livez', (context) => context.text('alive'));
  app.get('/readyz', (context) =>
    readiness.isReady() ? context.text('ready') : context.text('not ready', 503),
  );
}

/** What a server bears of its clients; see lib/constants.ts. */
export interface Patience {
  readonly connectionsMax: number;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly answerUnreadMaxMs: number;
}
const shippedPatience: Patience = {
  connectionsMax,
  headersTimeoutMs,
  requestTimeoutMs,
  answerUnreadMaxMs,
};

/** Listens on `host:port` (0: any free port) and resolves with the port it got. */
export async function listen(
  app: Hono,
  { host, port, log, ...differing }: { host: string; port: number; log: Log } & Partial<Patience>,
): Promise<{ server: Server; port: number }> {
  const patience = { ...shippedPatience, ...differing };
  const listener = getRequestListener(app.fetch, {
    errorHandler(error) {
      if (error instanceof RequestError) return answerBadTarget();
      log.error({ err: error }, 'a request failed');
      return problem('unavailable');
    },
  });
  const server = createServer({
    ...serverOptions,
    headersTimeout: patience.headersTimeoutMs,
    requestTimeout: patience.requestTimeoutMs,
  });
  server.maxHeadersCount = headersMax + 1;
  const connections = superviseConnections(server, {
    ...patience,
    connectionsMax: Math.min(patience.connectionsMax, connectionsAllowed()),
  });
  connectionsOf.set(server, connections);
  const handle = (request: IncomingMessage, response: ServerResponse) => {
    if (!connections.admit(request, response)) return;
    listener(request, response).catch((error: unknown) => {
      log.error({ err: error }, 'a request could not be answered');
    });
  };
  server.on('request', handle);
  // Whatever else a client expects is its own affair; Node would say 417 without a word.
  server.on('checkExpectation', handle);
  answerUnreadable(server, connections);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, backlog }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  // A connection that could not be accepted is no reason to end.
  server.on('error', (error) => {
    log.error({ err: error }, 'a connection could not be accepted');
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
  log.info({ port: address.port }, 'listening');
  return { server, port: address.port };
}

const serverOptions: ServerOptions = {
  // Longer than any proxy keeps an idle connection: Node's 5 s makes the queue-proxy answer
  // 502 when it reuses a connection that we are just closing (knative/serving#12414).
  keepAliveTimeout: 650_000,
  // How late time-outs may be: 30 s by default.
  connectionsCheckingInterval: 1_000,
  // Probes tell whether the client is still there: one that has lost its network never says so.
  keepAlive: true,
  keepAliveInitialDelay: 30_000,
  maxHeaderSize: headerBytesMax,
  // Its absence is answered like every other fault, and not by Node without a word.
  requireHostHeader: false,
};
/** Connections that wait to be accepted while we are busy; the system may allow fewer. */
const backlog = 4_096;

/** Files and connections of our own, to the stores and to other functions. */
const openFilesReserved = 256;

/** What the system lets us open, without our own share of it; only Linux tells. */
function connectionsAllowed(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    const openFiles = Number(
      /^Max open files +(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY,
    );
    return Math.max(openFiles - openFilesReserved, Math.floor(openFiles / 2));
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

const connectionsOf = new WeakMap<Server, Connections>();

/** How long a request may be on its way on a connection that seems idle. */
const idleGraceMs = 500;

/**
 * Closes a server of `listen`: nothing new is accepted, requests that have come are answered, or
 * cut at the deadline, and each answer closes its connection, so that no proxy uses it again.
 */
export async function close(server: Server, deadlineMs: number = drainDeadlineMs): Promise<void> {
  const connections = connectionsOf.get(server);
  connections?.drain();
  const closed = new Promise<void>((resolve) => {
    // Not http's own, which cuts idle connections at once, whatever is on its way there.
    TcpServer.prototype.close.call(server, () => {
      resolve();
    });
  });
  const idle = setTimeout(() => connections?.cutIdle(), idleGraceMs);
  const deadline = setTimeout(() => connections?.cutAll(), deadlineMs);
  await closed;
  clearTimeout(idle);
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
