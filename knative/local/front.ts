// What stands before the instances of a Knative Service: each request goes to the next one that is
// ready. One that refuses the connection has read nothing, so the one after it is asked; what broke
// off later may have been done, and is for the caller to ask again.

import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { problemParts } from '#lib/http/problem.ts';

export interface Front {
  readonly url: string;
  /** Resolves when every instance has said that it is ready, and is asked from now on. */
  untilAllReady(): Promise<void>;
  stop(): Promise<void>;
}

interface Instance {
  readonly hostname: string;
  readonly port: string;
  isReady: boolean;
}

const probeEveryMs = 200;
/** Of one that is silent: it is busy, or frozen. */
const probeAnswerMs = 1_000;
const connectTimeoutMs = 1_000;
/** Said of an instance that ended before it answered; a gateway has words of its own, too. */
const brokenOff = 'the instance has gone\n';
const asText = { 'content-type': 'text/plain; charset=utf-8' };
/** Of this connection, not of the request. */
const ofConnection = new Set(['connection', 'keep-alive', 'proxy-connection', 'upgrade']);

/** Listens on `port` of 127.0.0.1 and passes requests on to `urls` in turn, unchanged. */
export async function startFront(port: number, urls: readonly string[]): Promise<Front> {
  const agent = new Agent({ keepAlive: true });
  const stopped = new AbortController();
  const instances = urls.map((url): Instance => {
    const { hostname, port: own } = new URL(url);
    return { hostname, port: own, isReady: false };
  });
  let turn = 0;

  /** The ready ones, the next in turn first. */
  function inTurn(): Instance[] {
    const ready = instances.filter(({ isReady }) => isReady);
    turn += 1;
    const first = turn % Math.max(ready.length, 1);
    return [...ready.slice(first), ...ready.slice(0, first)];
  }

  async function pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    for (const instance of inTurn()) {
      const tried = await passTo(instance, agent, incoming, outgoing);
      if (tried === 'taken') return;
      instance.isReady = false;
    }
    const { status, headers, body } = problemParts('unavailable');
    outgoing.writeHead(status, headers).end(body);
  }

  const server = createServer((incoming, outgoing) => void pass(incoming, outgoing));
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(port, '127.0.0.1', done);
  });
  const probes = instances.map((instance) => probe(instance, stopped.signal));
  return {
    url: `http://127.0.0.1:${port}`,
    async untilAllReady() {
      while (!instances.every(({ isReady }) => isReady)) await pause(probeEveryMs / 4);
    },
    async stop() {
      stopped.abort();
      await Promise.all(probes);
      agent.destroy();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

async function probe(instance: Instance, stopped: AbortSignal): Promise<void> {
  const url = `http://${instance.hostname}:${instance.port}/readyz`;
  while (!stopped.aborted) {
    try {
      const signal = AbortSignal.any([stopped, AbortSignal.timeout(probeAnswerMs)]);
      const answer = await fetch(url, { signal });
      await answer.body?.cancel();
      instance.isReady = answer.ok;
    } catch {
      instance.isReady = false;
    }
    await pause(probeEveryMs, undefined, { signal: stopped }).catch(() => undefined);
  }
}

/** `refused`: it was never connected, so nothing has reached it. */
function passTo(
  { hostname, port }: Instance,
  agent: Agent,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<'taken' | 'refused'> {
  return new Promise((resolve) => {
    const { method, url: path } = incoming;
    const headers = passedOn(incoming.headers);
    headers['x-forwarded-for'] = [headers['x-forwarded-for'], incoming.socket.remoteAddress]
      .filter((part) => part !== undefined)
      .join(', ');
    const passed = request({ agent, hostname, port, method, path, headers });
    let isConnected = false;
    const connecting = setTimeout(() => {
      passed.destroy(new Error('no connection in time'));
    }, connectTimeoutMs);
    const connected = () => {
      clearTimeout(connecting);
      isConnected = true;
      incoming.pipe(passed);
      resolve('taken');
    };
    passed.once('socket', (socket) => {
      if (socket.connecting) socket.once('connect', connected);
      else connected();
    });
    passed.once('response', (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, passedOn(answer.headers));
      answer.pipe(outgoing);
      answer.once('error', () => outgoing.destroy());
    });
    passed.once('error', () => {
      clearTimeout(connecting);
      resolve(isConnected || outgoing.destroyed ? 'taken' : 'refused');
      if (outgoing.headersSent) outgoing.destroy();
      else if (isConnected) outgoing.writeHead(502, asText).end(brokenOff);
    });
    // A client that leaves waits for nothing any more.
    outgoing.once('close', () => {
      if (!outgoing.writableFinished) passed.destroy();
    });
  });
}

function passedOn(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !ofConnection.has(name)));
}
