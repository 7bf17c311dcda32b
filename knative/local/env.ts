// `npm run -s env`: how to reach what the running runtime runs, as NAME=value lines and nothing
// else on standard output; exits 1 when none runs.

import { isAlive, readState, stateFolder } from './state.ts';

const folder = stateFolder();
const { running } = readState(folder);
if (running === undefined || !isAlive(running)) {
  console.error(`No runtime is at work in ${folder}, or it is still starting; see: npm start`);
  process.exitCode = 1;
} else {
  for (const [name, value] of Object.entries(running.env)) console.log(`${name}=${value}`);
}
