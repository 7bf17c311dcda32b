// What Prometheus reads: a registry per function, served on a port of its own, never the public
// one. Labels come from closed lists (outcomes, tiers, boards), never from a request's content.

import { createServer, type Server } from 'node:http';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Readiness } from '#lib/http/serve.ts';
import { countNetworkBytes } from './network.ts';

/** A registry with Node's own metrics and the network's, labelled with the function's name. */
export function createRegistry(functionName: string): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ function: functionName });
  collectDefaultMetrics({ register: registry });
  countNetworkBytes(registry);
  return registry;
}

/** Tells whether the instance is ready, and how long it took to become so. */
export function watchReadiness(registry: Registry, readiness: Readiness): void {
  const registers = [registry];
  new Gauge({
    name: 'seckill_ready',
    help: '1 while the instance is ready; 0 before, and while it drains.',
    registers,
    collect() {
      this.set(readiness.isReady() ? 1 : 0);
    },
  });
  new Gauge({
    name: 'seckill_startup_seconds',
    help: 'From the start of the process until it was ready for the first time; 0 before.',
    registers,
    collect() {
      this.set(readiness.startedWithinSeconds() ?? 0);
    },
  });
}

/** What else is served beside the metrics, by its path: JSON, made when it is asked for. */
export type Documents = Readonly<Record<`/${string}`, () => Promise<unknown>>>;

/** Serves `GET /metrics`, and the documents, on `host:port` (0: any free port). */
export async function serveMetrics(
  registry: Registry,
  { host, port }: { host: string; port: number },
  documents: Documents = {},
): Promise<Server> {
  const pages = new Map<string, Page>([
    ['/metrics', { type: registry.contentType, read: () => registry.metrics() }],
    ...Object.entries(documents).map(([path, read]): [string, Page] => [
      path,
      { type: 'application/json', read: async () => JSON.stringify(await read()) },
    ]),
  ]);
  const server = createServer((request, response) => {
    const page = pages.get(request.url ?? '');
    if (page === undefined) {
      response.writeHead(404).end();
      return;
    }
    page.read().then(
      (text) => response.writeHead(200, { 'content-type': page.type }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return server;
}

interface Page {
  readonly type: string;
  readonly read: () => Promise<string>;
}
