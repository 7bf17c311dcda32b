// `npm stop`: ends the runtime that runs in the state folder, and waits until it has.

import { setTimeout } from 'node:timers/promises';
import { isAlive, runningIn, stateFolder } from './state.ts';

/** Longer than the runtime itself gives everything to end. */
const deadlineMs = 90_000;

const folder = stateFolder();
const running = runningIn(folder);
if (running === undefined) {
  console.log(`No runtime is at work in ${folder}`);
} else {
  process.kill(running.pid, 'SIGTERM');
  const deadline = Date.now() + deadlineMs;
  while (isAlive(running) && Date.now() < deadline) await setTimeout(50);
  if (isAlive(running)) {
    console.error(`The runtime (pid ${running.pid}) did not end in time and is killed`);
    process.kill(running.pid, 'SIGKILL');
    process.exitCode = 1;
  } else {
    console.log('Stopped');
  }
}
