// Free ports on loopback. Those that are found lie below the range from which systems take the
// ports of outgoing connections, so that none is taken between the choice and its use; and each
// process looks in a block of its own first, so that two that start at once do not choose the same.

import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const firstPort = 20_000;
const lastPort = 29_999;
const blockPorts = 100;
const triesMax = 200;

const blocks = (lastPort + 1 - firstPort) / blockPorts;
const firstOfBlock = firstPort + (process.pid % blocks) * blockPorts;
let nextInBlock = 0;

/** The next of this process' block, and when these have all been had, any. */
function candidate(): number {
  if (nextInBlock === blockPorts) return randomInt(firstPort, lastPort + 1);
  nextInBlock += 1;
  return firstOfBlock + nextInBlock - 1;
}

/** The preferred port where it is free on loopback, else any free one. */
export async function choosePort(preferred?: number): Promise<number> {
  if (preferred !== undefined && (await isFree(preferred))) return preferred;
  for (let tried = 0; tried < triesMax; tried += 1) {
    const port = candidate();
    if (await isFree(port)) return port;
  }
  throw new Error(`No free port between ${firstPort} and ${lastPort} on 127.0.0.1`);
}

/** Whether a server could listen there now. */
export async function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}
