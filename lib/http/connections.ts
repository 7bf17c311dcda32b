// Which connections a server keeps: never more than it has room for, and none that only hangs.
// Where room is short, those go that have long been unused, slow or idle, before anyone new is
// refused; while draining, each is told to come to its end.

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { headersMax, pipelinedRequestsMax } from '#lib/constants.ts';
import type { Outcome } from '#lib/outcome.ts';
import {
  type Connection,
  type ConnectionPatience,
  createConnectionGroups,
} from './connection-groups.ts';
import { problemParts } from './problem.ts';

export interface Connections {
  /** Whether the request is to be handled; one that is not is answered here. */
  admit(request: IncomingMessage, response: ServerResponse): boolean;
  /** Whether an answer is owed to a request that has arrived, or has begun. */
  isAnswering(socket: Socket): boolean;
  /** Every answer from now on closes its connection. */
  drain(): void;
  /** Cuts those that nothing is to be answered on, whatever has begun to arrive there. */
  readonly cutIdle: () => void;
  readonly cutAll: () => void;
}

const sweepEveryMs = 1_000;
/** Open for a moment beyond the limit, to be refused with an answer. */
const excessMax = 100;

/** Watches the connections of a server that is yet to listen. */
export function superviseConnections(server: Server, patience: ConnectionPatience): Connections {
  const groups = createConnectionGroups(patience);
  let isDraining = false;

  server.maxConnections = patience.connectionsMax + excessMax;
  server.on('connection', groups.open);
  const sweep = setInterval(groups.sweep, sweepEveryMs);
  sweep.unref();
  server.once('close', () => {
    clearInterval(sweep);
  });

  const answered = (connection: Connection, response: ServerResponse) => {
    connection.unanswered.delete(response);
    if (connection.unanswered.size > 0) return;
    groups.nowIdle(connection);
    if (isDraining) connection.socket.destroySoon();
  };

  return {
    admit(request, response) {
      const connection = groups.find(request.socket);
      if (connection === undefined || connection.isClosing) return false;
      if (connection.unanswered.size === 0) groups.nowBusy(connection);
      connection.unanswered.add(response);
      response.once('close', () => {
        answered(connection, response);
      });
      const fault = faultOf(request, connection);
      if (fault !== undefined) {
        connection.isClosing = true;
        refuse(response, fault);
        return false;
      }
      if (isDraining) response.setHeader('connection', 'close');
      return true;
    },
    isAnswering(socket) {
      const unanswered = groups.find(socket)?.unanswered ?? [];
      return [...unanswered].some(({ req, headersSent }) => req.complete || headersSent);
    },
    drain() {
      isDraining = true;
      for (const { unanswered } of groups.allBusy()) {
        for (const response of unanswered) {
          if (!response.headersSent) response.setHeader('connection', 'close');
        }
      }
    },
    cutIdle: groups.cutIdle,
    cutAll: groups.cutAll,
  };
}

interface Fault {
  readonly outcome: Outcome;
  readonly detail: string;
}

const probes: ReadonlySet<string | undefined> = new Set(['/livez', '/readyz']);

function faultOf({ rawHeaders, url }: IncomingMessage, connection: Connection): Fault | undefined {
  if (connection.unanswered.size > pipelinedRequestsMax) {
    return { outcome: 'unavailable', detail: 'too many requests at once on one connection' };
  }
  if (rawHeaders.length > 2 * headersMax) {
    return { outcome: 'too_large', detail: `headers: more than ${headersMax}` };
  }
  if (hostsIn(rawHeaders) > 1) return { outcome: 'malformed', detail: 'Host: more than one' };
  // Whoever asks whether we live is told: we do.
  if (connection.isExcess && !probes.has(url)) {
    return { outcome: 'unavailable', detail: 'too many connections' };
  }
  return undefined;
}

/** Two are a way around whoever routes by one of them (RFC 9112, section 3.2). */
function hostsIn(rawHeaders: readonly string[]): number {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  return hosts;
}

function refuse(response: ServerResponse, { outcome, detail }: Fault): void {
  const { status, headers, body } = problemParts(outcome, { detail });
  response.writeHead(status, { ...headers, connection: 'close' }).end(body);
}
