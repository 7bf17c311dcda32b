// `npm run bench`: what the system does in a second, against the least that any purchase endpoint
// must do, on this machine and in one run. Exits 1 where anything did not go as it should.

import { rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { functionNames } from '../build.ts';
import { onEnding } from '../ending.ts';
import { killAllProcesses, stopAllProcesses } from '../process.ts';
import { sayOnStderr } from '../say.ts';
import { readState, stateFolder, takeLock } from '../state.ts';
import { messageOf } from '../stores/healthy.ts';
import { backlog } from './backlog.ts';
import { type Bench, type Measure, measureDoNothing } from './bench.ts';
import * as buy from './buy.ts';
import { createBuyers } from './buyers.ts';
import { boardDelay, rowDelay } from './delays.ts';
import { limitExactness } from './exactness.ts';
import { growthMeasures } from './growth.ts';
import { hostileClients } from './hostile-clients.ts';
import { accept2Instances, accept3Instances, lockWait } from './instances.ts';
import { memoryAfterSale } from './memory-after-sale.ts';
import { raiseLimits } from './operate.ts';
import { type Name, names, type Options, readOptions, usage } from './options.ts';
import { persist } from './persist.ts';
import { acceptPurchaseOnly } from './purchase-only.ts';
import { ready } from './ready.ts';
import { refusalsMemory } from './refusals-memory.ts';
import { type Row, rateRow, tableOf } from './row.ts';
import { startSystem } from './system.ts';
import { acceptTraced } from './traced.ts';
import { millionUnits } from './units.ts';
import { ensureWrk } from './wrk.ts';

const measures: Readonly<Record<Exclude<Name, 'do-nothing'>, Measure>> = {
  accept: buy.accept,
  'accept-with-sinks': buy.acceptWithSinks,
  'accept-traced': acceptTraced,
  'accept-purchase-only': acceptPurchaseOnly,
  'accept-2-instances': accept2Instances,
  'accept-3-instances': accept3Instances,
  'lock-wait': lockWait,
  'accept-10-products': buy.accept10Products,
  'accept-100-products': buy.accept100Products,
  'accept-1m-units': millionUnits,
  'sold-out': buy.soldOut,
  'rate-limited': buy.rateLimited,
  'limit-exactness': limitExactness,
  persist,
  backlog,
  'board-delay': boardDelay,
  'row-delay': rowDelay,
  'hostile-clients': hostileClients,
  'refusals-memory': refusalsMemory,
  'memory-after-sale': memoryAfterSale,
  ...(Object.fromEntries(functionNames.map((name) => [`ready-${name}`, ready(name)])) as Record<
    `ready-${(typeof functionNames)[number]}`,
    Measure
  >),
  ...growthMeasures,
};

/** Everything has its own grace; this is for what hangs all the same. */
const stopDeadlineMs = 75_000;
const say = sayOnStderr;

async function main(options: Options): Promise<void> {
  const folder = join(stateFolder(), 'bench');
  const lock = takeLock(folder);
  const stops: (() => Promise<void>)[] = [];
  const stopInOrder = async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
    await stopAllProcesses();
  };
  const leave = async (status: number) => {
    await Promise.race([stopInOrder(), setTimeout(stopDeadlineMs, undefined, { ref: false })]);
    killAllProcesses();
    lock.release();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    process.exit(status);
  };
  const ending = onEnding({
    leave: () => void leave(130),
    kill() {
      killAllProcesses();
      process.exit(130);
    },
  });
  let failures = 1;
  try {
    await ensureWrk(folder, (text) => {
      say('wrk', text);
    });
    const cpuProf = options.cpuProf === undefined ? undefined : resolve(options.cpuProf);
    const onStarted = (stop: () => Promise<void>) => stops.push(stop);
    const { secrets } = readState(folder);
    const system = await startSystem({ folder, secrets, cpuProf, say, onStarted });
    await raiseLimits(system);
    const buyers = await createBuyers(system);
    say('buyers', 'have their tokens');
    const bench = { system, buyers, options, say, doNothing: [] };
    failures = await measureAll(bench, () => ending.hasBegun());
  } catch (error) {
    if (!ending.hasBegun()) console.error(`\n${messageOf(error)}`);
  }
  if (!ending.hasBegun()) await leave(failures === 0 ? 0 : 1);
}

/** Measures what was asked for, writes and prints it; resolves with how many failed. */
async function measureAll(bench: Bench, isEnding: () => boolean): Promise<number> {
  const { only, out, connections, seconds } = bench.options;
  const rows: Row[] = [];
  let failures = 0;
  for (const name of names.filter((one) => one !== 'do-nothing' && only.includes(one))) {
    if (isEnding()) return failures;
    const [load = 0] = loadavg();
    say(name, `… (load average ${load.toFixed(1)})`);
    try {
      rows.push(await measures[name as keyof typeof measures](bench));
    } catch (error) {
      if (isEnding()) return failures;
      failures += 1;
      say(name, `FAILED: ${messageOf(error)}`);
    }
  }
  if (only.includes('do-nothing')) {
    if (bench.doNothing.length === 0) await measureDoNothing(bench);
    const rates = bench.doNothing;
    const references = rates.map(({ perSecond }) => perSecond);
    rows.unshift(rateRow('do-nothing', rates, references));
  }
  if (out !== undefined) await writeFile(out, `${JSON.stringify(rows, undefined, 2)}\n`);
  console.log(`${tableOf(rows)}\n
${connections} connections, ${seconds} s each; ${availableParallelism()} × ${cpus()[0]?.model ?? ''}`);
  return failures;
}

try {
  await main(readOptions(process.argv.slice(2)));
} catch (error) {
  console.error(`${messageOf(error)}\n${usage}`);
  process.exit(1);
}
