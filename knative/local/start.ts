// `npm start`: the whole system on this machine until Ctrl-C, `npm stop`, or the end of whoever
// started it. Progress is on standard error, what to open and to type on standard output.

import { setTimeout } from 'node:timers/promises';
import { demoProductId, tokenOf } from './demo-sale.ts';
import { onEnding } from './ending.ts';
import { killAllProcesses, stopAllProcesses } from './process.ts';
import { identityOf } from './process-identity.ts';
import { createRuntime, type RunningRuntime } from './runtime.ts';
import { sayOnStderr, secondsSince } from './say.ts';
import { readState, stateFolder, takeLock, writeState } from './state.ts';

/** Everything has its own grace; this is for what hangs all the same. */
const stopDeadlineMs = 75_000;

const startedAtMs = performance.now();
const folder = stateFolder();

async function main(): Promise<void> {
  const lock = takeLock(folder);
  const { secrets, ...before } = readState(folder);
  let ports = before.ports;
  writeState(folder, { ports, secrets });
  const runtime = createRuntime({
    folder,
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
    ports = running.ports;
    const { pid } = process;
    const note = { pid, identity: identityOf(pid), env: running.env };
    if (!ending.hasBegun()) writeState(folder, { ports, secrets, running: note });
    await sayWhatToDo(running);
  } catch (error) {
    // What is being stopped can't be started any more; that is no news.
    if (ending.hasBegun()) return;
    console.error(`\n${messageOf(error)}\n\nStopping what has started …`);
    await leave(1);
  }
}

async function sayWhatToDo({ env }: RunningRuntime): Promise<void> {
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

Logs, data and process ids: ${folder}
`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

// The terminal may close before we have stopped: what can't be said then is not worth a crash.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);
try {
  await main();
} catch (error) {
  console.error(messageOf(error));
  process.exit(1);
}
