// What stands before the instances of `purchase` on Knative: each request goes to the instance
// with the fewest under way. Which of them take requests, the test decides, as readiness would.

import { Agent, createServer, request } from 'node:http';
import { choosePort } from '../ports.ts';

export interface Gateway {
  readonly url: string;
  /** From now on only these get requests; what is under way elsewhere goes on there. */
  route(urls: readonly string[]): void;
  /** Operators' requests go here, whatever is routed; undefined: as all others. */
  routeOperators(url: string | undefined): void;
  stop(): Promise<void>;
}

export async function startGateway(): Promise<Gateway> {
  const agent = new Agent({ keepAlive: true });
  const underWay = new Map<string, number>();
  let routed: readonly string[] = [];
  let forOperators: string | undefined;
  const least = () => routed.toSorted((a, b) => (underWay.get(a) ?? 0) - (underWay.get(b) ?? 0))[0];

  const server = createServer((incoming, outgoing) => {
    const { method, url: path = '', headers } = incoming;
    const chosen = (path.startsWith('/operator') ? forOperators : undefined) ?? least();
    if (chosen === undefined) {
      outgoing.writeHead(503).end();
      return;
    }
    // Whoever was chosen is the last one next time, when all are equally busy.
    routed = [...routed.filter((url) => url !== chosen), ...routed.filter((url) => url === chosen)];
    underWay.set(chosen, (underWay.get(chosen) ?? 0) + 1);
    outgoing.once('close', () => underWay.set(chosen, (underWay.get(chosen) ?? 0) - 1));
    const { hostname, port } = new URL(chosen);
    const passed = request({ agent, hostname, port, method, path, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
      answer.once('error', () => outgoing.destroy());
    });
    passed.once('error', () => {
      if (outgoing.headersSent) outgoing.destroy();
      else outgoing.writeHead(502).end();
    });
    incoming.pipe(passed);
  });
  const port = await choosePort();
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(port, '127.0.0.1', done);
  });
  return {
    url: `http://127.0.0.1:${port}`,
    route(urls) {
      routed = urls;
    },
    routeOperators(url) {
      forOperators = url;
    },
    async stop() {
      agent.destroy();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
