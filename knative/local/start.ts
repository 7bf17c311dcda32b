// `npm start`: the whole system on this machine until Ctrl-C, `npm stop`, or the end of whoever
// started it. Progress is on standard error, what to open and to type on standard output.

import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { demoProductId, tokenOf } from './demo-sale.ts';
import { onEnding } from './ending.ts';
import { killAllProcesses, stopAllProcesses } from './process.ts';
import { identityOf } from './process-identity.ts';
import { createRuntime, type RunningRuntime } from './runtime.ts';
import { sayOnStderr, secondsSince } from './say.ts';
import { readState, stateFolder, takeLock, writeState } from './state.ts';
import { folderOf, type Nodes, nodesOf } from './topology.ts';

/** Everything has its own grace; this is for what hangs all the same. */
const stopDeadlineMs = 75_000;

const startedAtMs = performance.now();
const folder = stateFolder();

const usage = `npm start -- [--nodes 1|3]

Runs the whole system on this machine until Ctrl-C or npm stop.

  --nodes N   of 1, the default, one of each store and function. Of 3 what three machines of a
              cluster have: etcd and Kafka of three, a Redis Cluster of three masters and three
              replicas, three instances of each function behind a front that asks them in turn,
              two source runners, one MySQL. Wants some 6 GB of memory.
  --help      says this.

Each number of nodes has data of its own; see knative/local/README.md, also for PORT and
SECKILL_STATE_DIR.
`;

/** What the command line asks for. Says so and ends where it asks for nothing that is known. */
function readArguments(): Nodes {
  const refuse = (why: string): never => {
    console.error(`${why}\n\n${usage}`);
    process.exit(2);
  };
  try {
    const options = { nodes: { type: 'string' }, help: { type: 'boolean' } } as const;
    const { values } = parseArgs({ options, args: process.argv.slice(2) });
    if (values.help === true) {
      process.stdout.write(usage);
      process.exit(0);
    }
    return nodesOf(values.nodes ?? '1') ?? refuse(`--nodes ${values.nodes}: there are 1 or 3`);
  } catch (error) {
    return refuse(messageOf(error));
  }
}

async function main(nodes: Nodes): Promise<void> {
  const lock = takeLock(folder);
  const { secrets, ...before } = readState(folder);
  let ports = before.ports;
  writeState(folder, { ports, secrets });
  const runtime = createRuntime({
    folder,
    remember(more) {
      ports = { ...ports, ...more };
      writeState(folder, { ports, secrets });
    },
    nodes,
    state: { ports, secrets },
    given: process.env,
    say: sayOnStderr,
  });

  const leave = async (status: number) => {
    const stopped = runtime.stop().then(stopAllProcesses);
    await Promise.race([stopped, setTimeout(stopDeadlineMs, undefined, { ref: false })]);
    killAllProcesses();
    writeState(folder, { ports, secrets });
    lock.release();
    process.exit(status);
  };
  const ending = onEnding({
    leave: () => void leave(0),
    kill() {
      killAllProcesses();
      process.exit(130);
    },
  });

  try {
    const running = await runtime.start();
    ports = { ...ports, ...running.ports };
    const { pid } = process;
    const { env, processes } = running;
    const note = { pid, identity: identityOf(pid), env, processes };
    if (!ending.hasBegun()) writeState(folder, { ports, secrets, running: note });
    await sayWhatToDo(running, nodes);
  } catch (error) {
    // What is being stopped can't be started any more; that is no news.
    if (ending.hasBegun()) return;
    console.error(`\n${messageOf(error)}\n\nStopping what has started …`);
    await leave(1);
  }
}

async function sayWhatToDo({ env }: RunningRuntime, nodes: Nodes): Promise<void> {
  const url = String(env.SECKILL_URL);
  const token = await tokenOf('demo-buyer', env);
  console.log(`
Seckill runs (after ${secondsSince(startedAtMs)}). Ctrl-C stops it.

Open the shop, signed in as demo-buyer:
  ${url}/#token=${token}

Or buy from a second terminal:
  curl -i ${url}/api/products/${demoProductId}/purchase \\
    -H 'Authorization: Bearer ${token}' \\
    -H 'Idempotency-Key: my-first-order' \\
    -H 'Content-Type: application/json' -d '{"quantity":1}'

See that nothing was oversold or lost:
  npx kn-seckill verify ${demoProductId}

Logs, data and process ids: ${folderOf(folder, nodes)}
`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

// The terminal may close before we have stopped: what can't be said then is not worth a crash.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);
try {
  await main(readArguments());
} catch (error) {
  console.error(messageOf(error));
  process.exit(1);
}
