// `npm run test:sim`: many seeded schedules on all cores, with progress and a summary; a failure says
// how to replay it. SECKILL_SIM_SEED replays one with its trace, SECKILL_SIM_SCHEDULES says how many.

import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { openDatabase } from './mysql-database.ts';
import { runSchedule } from './schedule.ts';
import { addResult, addSummary, emptySummary, type Summary, tellCounts } from './summary.ts';

const schedulesUsual = 10_000;
const chunk = 50;
const failuresShown = 10;

const say = (text: string) => {
  process.stdout.write(`${text}\n`);
};

async function replay(seed: string): Promise<void> {
  const database = openDatabase();
  const { trace, problems, traceHash } = await runSchedule(seed, database);
  database.close();
  for (const line of trace) say(line);
  say(`seed ${seed}, trace ${traceHash}: ${problems.join('; ') || 'no promise broken'}`);
  if (problems.length > 0) process.exitCode = 1;
}

/** In a worker: runs the chunks it is given. */
function work(): void {
  const database = openDatabase();
  parentPort?.on('message', (from: number | undefined) => {
    if (from === undefined) {
      database.close();
      parentPort?.close();
      return;
    }
    void runChunk(from).then((summary) => {
      parentPort?.postMessage(summary);
    });
  });
  parentPort?.postMessage(emptySummary());

  async function runChunk(from: number): Promise<Summary> {
    const summary = emptySummary();
    for (let seed = from; seed < from + chunk; seed += 1) {
      addResult(summary, await runSchedule(String(seed), database));
    }
    return summary;
  }
}

/** Gives each worker the next seeds whenever it has done its own. */
async function runAll(first: number, count: number): Promise<Summary> {
  const total = emptySummary();
  const startedAtMs = performance.now();
  let next = first;
  const run = () =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url), { workerData: { isSimulation: true } });
      worker.on('message', (summary: Summary) => {
        addSummary(total, summary);
        tellProgress(total, count, startedAtMs);
        worker.postMessage(next < first + count ? next : undefined);
        next += chunk;
      });
      worker.once('error', reject);
      worker.once('exit', () => {
        resolve();
      });
    });
  await Promise.all(Array.from({ length: availableParallelism() }, run));
  return total;
}

const progressEvery = 1_000;
let told = 0;

function tellProgress({ schedules, failures }: Summary, count: number, startedAtMs: number): void {
  if (schedules < told + progressEvery) return;
  told = schedules;
  const seconds = Math.round((performance.now() - startedAtMs) / 1_000);
  say(
    `${schedules} of ${count} schedules in ${seconds} s, ${failures.length} with broken promises`,
  );
}

const troubleNames =
  /^(crash|freeze|leave|clock|outage|redis .*(lost|fail-over)|etcd replaced|lease lost|leaders moved)$/;

async function main(): Promise<void> {
  const seed = process.env['SECKILL_SIM_SEED'];
  if (seed !== undefined) {
    await replay(seed);
    return;
  }
  const count = Number(process.env['SECKILL_SIM_SCHEDULES'] ?? schedulesUsual);
  const first = Number(process.env['SECKILL_SIM_FIRST'] ?? 0);
  const total = await runAll(first, count);
  const { schedules, virtualMs, failures } = total;
  say(`answers: ${tellCounts(total, /^answer /)}`);
  say(`troubles: ${tellCounts(total, troubleNames)}`);
  say(`struck around a step: ${tellCounts(total, /^(crash|freeze) (before|after) /)}`);
  for (const { seed: failed, problems } of failures.slice(0, failuresShown)) {
    say(`SECKILL_SIM_SEED=${failed} npm run test:sim   # ${problems.join('; ')}`);
  }
  const hours = (virtualMs / 3_600_000).toFixed(0);
  say(`${schedules} schedules, ${hours} virtual hours, ${failures.length} with broken promises`);
  if (failures.length > 0) process.exitCode = 1;
}

if (!isMainThread && (workerData as { isSimulation?: boolean } | null)?.isSimulation) work();
else if (import.meta.main) await main();
