// `npm run load`: k6 buys over the public HTTP, and what it was told is held against the rows.
// Exits 0 where all is as it should be, 1 where something is not, 2 where it could not begin.

import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { openShop } from '#knative/e2e/shop.ts';
import { onEnding } from '#knative/local/ending.ts';
import { killAllProcesses, stopAllProcesses } from '#knative/local/process.ts';
import { sayOnStderr } from '#knative/local/say.ts';
import { isAlive, readState, stateFolder } from '#knative/local/state.ts';
import { messageOf } from '#knative/local/stores/healthy.ts';
import { assertRunsTypeScript, createPlay, findK6, howToInstall } from './k6.ts';
import { type Options, readOptions, usage } from './options.ts';
import { type Deps, perform, type Report } from './perform.ts';
import { type Plan, planOf } from './plans.ts';
import { showReport } from './show.ts';

const exits = { ok: 0, failed: 1, unable: 2, interrupted: 130 } as const;
/** Closing a sale asks the system, which may be what has gone; then this ends it. */
const leaveWithinMs = 90_000;
const readyWithinMs = 5_000;

function say(text: string): void {
  sayOnStderr('load', text);
}

async function main(options: Options): Promise<void> {
  const undos: (() => Promise<void>)[] = [];
  const leave = async (status: number) => {
    await Promise.race([tidyUp(undos), setTimeout(leaveWithinMs, undefined, { ref: false })]);
    killAllProcesses();
    process.exit(status);
  };
  const ending = onEnding({
    leave: () => void leave(exits.interrupted),
    kill() {
      killAllProcesses();
      process.exit(exits.interrupted);
    },
  });
  let status: number = exits.unable;
  try {
    status = await load(options, (undo) => undos.push(undo));
  } catch (error) {
    if (!ending.hasBegun()) say(messageOf(error));
  }
  if (!ending.hasBegun()) await leave(status);
}

/** k6 first, so that nobody buys any more; then the last that was done first. */
async function tidyUp(undos: (() => Promise<void>)[]): Promise<void> {
  await stopAllProcesses();
  for (const undo of undos.splice(0).reverse()) {
    await undo().catch((error: unknown) => {
      say(messageOf(error));
    });
  }
}

/** Resolves with the exit status; rejects where it could not begin or go on. */
async function load(options: Options, atTheEnd: Deps['atTheEnd']): Promise<number> {
  const plan = planOf(options.scenario, options);
  const k6 = findK6(process.env);
  if (k6 === undefined) throw new Error(howToInstall);
  await assertRunsTypeScript(k6);
  const url = await findSystem(plan);
  const run = `load-${Date.now().toString(36)}`;
  const folder = join(options.out === undefined ? stateFolder() : resolve(options.out), run);
  const shop = await openShop({ env: {}, args: [], run, onTold: () => undefined });
  const report = await perform(plan, {
    ...{ url, shop, run, folder, play: createPlay(k6), say, atTheEnd },
  });
  console.log(options.json ? JSON.stringify(report) : showReport(report));
  if (report.ok && options.out === undefined) rmSync(folder, { recursive: true, force: true });
  else say(`what the clients were told, and k6's log: ${folder}`);
  return statusOf(report);
}

function statusOf({ ok }: Report): number {
  return ok ? exits.ok : exits.failed;
}

/** The edge of the system that is meant; rejects with what to do where there is none. */
async function findSystem({ nodes, scenario }: Plan): Promise<string> {
  const { running } = readState(stateFolder());
  const local = running !== undefined && isAlive(running) ? running.env : {};
  const url = process.env['SECKILL_URL'] ?? local['SECKILL_URL'];
  const start = nodes === 1 ? 'npm start' : `npm start -- --nodes ${nodes}`;
  if (url === undefined) {
    throw new Error(`No system is running here. Start one in another terminal: ${start}`);
  }
  const address = url.replace(/\/+$/, '');
  const isReady = await fetch(`${address}/readyz`, { signal: AbortSignal.timeout(readyWithinMs) })
    .then(({ ok }) => ok)
    .catch(() => false);
  if (!isReady) throw new Error(`${address} is not ready. See what ${start} says`);
  const isLocal = url === local['SECKILL_URL'];
  const brokers = isLocal ? (local['SECKILL_KAFKA_BROKERS']?.split(',').length ?? 1) : nodes;
  if (brokers < nodes) {
    say(
      `${scenario} is meant for ${nodes} nodes (${start}); this is ${brokers}, and so its figures`,
    );
  }
  return address;
}

let options: Options | undefined;
try {
  options = readOptions(process.argv.slice(2));
} catch (error) {
  console.error(`${messageOf(error)}\n\n${usage}`);
  process.exit(exits.unable);
}
if (options === undefined) console.log(usage);
else await main(options);
