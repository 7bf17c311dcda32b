// What a Knative gateway does for a Service with several instances: each request goes to the next.

import { Agent, createServer, request } from 'node:http';
import { choosePort } from '../ports.ts';

export interface RoundRobin {
  readonly url: string;
  stop(): Promise<void>;
}

/** Passes requests on to `urls` in turn, unchanged; 502 where one does not answer. */
export async function startRoundRobin(urls: readonly string[]): Promise<RoundRobin> {
  const agent = new Agent({ keepAlive: true });
  let next = 0;
  const server = createServer((incoming, outgoing) => {
    const { method, url: path, headers } = incoming;
    const target = new URL(urls[next++ % urls.length] ?? '');
    const { hostname, port } = target;
    const passed = request({ agent, hostname, port, method, path, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
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
    async stop() {
      agent.destroy();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
