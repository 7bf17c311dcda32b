// Loaded into every function and the source runner of a soak (NODE_OPTIONS), which are otherwise as
// they are deployed: notes now and then what only the process itself knows, in a file of its pid.

import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const noteMs = 5_000;
/** Garbage is collected before every so many'th note: what is left then is what is held. */
const collectEvery = 6;

const folder = process.env.SECKILL_SOAK_FOLDER;
if (folder !== undefined) start(folder);

function start(folder) {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  const file = join(folder, `${process.pid}.json`);
  const delays = monitorEventLoopDelay({ resolution: 10 });
  delays.enable();
  let notes = 0;
  let heapKeptMb = null;
  const timer = setInterval(() => {
    const loopP99Ms = delays.percentile(99) / 1e6;
    const loopMaxMs = delays.max / 1e6;
    notes += 1;
    if (notes % collectEvery === 0) {
      collect();
      heapKeptMb = process.memoryUsage().heapUsed / 1e6;
    }
    delays.reset();
    const resources = {};
    for (const kind of process.getActiveResourcesInfo()) {
      resources[kind] = (resources[kind] ?? 0) + 1;
    }
    const { heapTotal, external, arrayBuffers } = process.memoryUsage();
    const note = {
      notes,
      heapKeptMb,
      heapTotalMb: heapTotal / 1e6,
      externalMb: external / 1e6,
      arrayBuffersMb: arrayBuffers / 1e6,
      loopP99Ms,
      loopMaxMs,
      resources,
    };
    try {
      writeFileSync(`${file}.new`, JSON.stringify(note));
      renameSync(`${file}.new`, file);
    } catch {
      // The folder goes when the run ends.
    }
  }, noteMs);
  timer.unref();
}
