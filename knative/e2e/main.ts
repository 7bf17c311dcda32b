// `npm run test:knative`: shows on whatever cluster KUBECONFIG names what the system promises there.
// Exits 0 where all that was asked for is so, 1 where something is not, 2 where it could not begin.

import { mkdtempSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { onEnding } from '#knative/local/ending.ts';
import { sayOnStderr, secondsSince } from '#knative/local/say.ts';
import { messageOf } from '#knative/local/stores/healthy.ts';
import { type Cluster, openCluster } from './cluster.ts';
import { openDoor } from './door.ts';
import { install, installSourceRunner } from './install.ts';
import { type Options, readOptions, type ScenarioName, usage } from './options.ts';
import {
  type Check,
  checkCluster,
  checkSystem,
  deliversKafkaSources,
  tableOf,
} from './preflight.ts';
import { fromZero } from './scenarios/from-zero.ts';
import { nodeLoss } from './scenarios/node-loss.ts';
import { orders } from './scenarios/orders.ts';
import { rollingUpdate } from './scenarios/rolling-update.ts';
import { spread } from './scenarios/spread.ts';
import { warm } from './scenarios/warm.ts';
import { openShop } from './shop.ts';
import { showFinding } from './show.ts';
import { createSale, type Finding, type Scenario, type Stage, untilFound } from './stage.ts';

const scenarios: Readonly<Record<ScenarioName, Scenario>> = {
  'from-zero': fromZero,
  orders,
  spread,
  warm,
  'rolling-update': rollingUpdate,
  'node-loss': nodeLoss,
};

/** Closing sales asks the system, which may be what has gone; then this ends it. */
const leaveWithinMs = 240_000;
const exits = { ok: 0, failed: 1, unable: 2, interrupted: 130 } as const;
const say = sayOnStderr;

interface Undo {
  readonly what: string;
  readonly undo: () => Promise<unknown>;
}

async function main(options: Options): Promise<void> {
  const interrupt = new AbortController();
  const undos: Undo[] = [];
  let left: Promise<void> | undefined;
  const leave = (): Promise<void> => (left ??= tidyUp(undos));
  const ending = onEnding({
    leave() {
      interrupt.abort();
      void leave().then(() => process.exit(exits.interrupted));
    },
    kill() {
      process.exit(exits.interrupted);
    },
  });
  let status: number = exits.unable;
  try {
    status = await perform(options, interrupt.signal, undos, leave);
  } catch (error) {
    if (!ending.hasBegun()) say('e2e', messageOf(error));
  }
  if (ending.hasBegun()) return;
  await leave();
  process.exit(status);
}

/** The last first; what cannot be undone is said, and the rest is done all the same. */
async function tidyUp(undos: Undo[]): Promise<void> {
  const all = async () => {
    for (const { what, undo } of undos.splice(0).reverse()) {
      await undo().catch((error: unknown) => {
        say('clean-up', `${what}: ${messageOf(error)}`);
      });
    }
  };
  await Promise.race([all(), pause(leaveWithinMs, undefined, { ref: false })]);
}

async function perform(
  options: Options,
  interrupted: AbortSignal,
  undos: Undo[],
  leave: () => Promise<void>,
): Promise<number> {
  const cluster = openCluster(options);
  const until: Stage['until'] = (deadlineMs, look) => untilFound(deadlineMs, look, interrupted);
  const checks = await prepare(options, cluster, until);
  if (checks.some(({ result }) => result === 'missing')) {
    if (options.json) console.log(JSON.stringify({ ok: false, checks, findings: [] }));
    return exits.unable;
  }
  const stage = await createStage(options, cluster, until, interrupted, undos);
  const findings: Finding[] = [];
  for (const name of options.only) {
    const startedAtMs = performance.now();
    say(name, '…');
    const { figures, problems } = await scenarios[name]({ ...stage, say: saying(name) }).catch(
      (error: unknown) => {
        interrupted.throwIfAborted();
        return { figures: {}, problems: [messageOf(error)] };
      },
    );
    const finding = { scenario: name, ok: problems.length === 0, figures, problems };
    findings.push(finding);
    say(name, `${finding.ok ? 'ok' : 'NOT OK'} in ${secondsSince(startedAtMs)}`);
    if (!options.json) console.log(showFinding(finding));
    await tidyUp(undos.splice(0));
  }
  await leave();
  await stage.door.close();
  const ok = findings.every((finding) => finding.ok);
  if (options.json) console.log(JSON.stringify({ ok, checks, findings }));
  return ok ? exits.ok : exits.failed;
}

function saying(part: string): (text: string) => void {
  return (text) => {
    say(part, text);
  };
}

/** What is missing is told before anything is changed, and again when it should be there. */
async function prepare(
  options: Options,
  cluster: Cluster,
  until: Stage['until'],
): Promise<readonly Check[]> {
  const first = await checkCluster(cluster);
  process.stderr.write(`${tableOf(first)}\n`);
  if (first.some(({ result }) => result === 'missing')) return first;
  const { install: overlay, namespace, sourceRunner } = options;
  if (overlay !== undefined) {
    const startedAtMs = performance.now();
    await install(overlay, { cluster, until, say: saying('install') });
    say('install', `${overlay} is ready after ${secondsSince(startedAtMs)}`);
  }
  const wanted =
    sourceRunner === 'yes' ||
    (sourceRunner === 'auto' && overlay !== undefined && !(await deliversKafkaSources(cluster)));
  if (wanted) await installSourceRunner({ cluster, until }, namespace);
  const second = await checkSystem(cluster);
  process.stderr.write(`${tableOf(second)}\n`);
  return [...first, ...second];
}

async function createStage(
  options: Options,
  cluster: Cluster,
  until: Stage['until'],
  interrupted: AbortSignal,
  undos: Undo[],
): Promise<Omit<Stage, 'say'>> {
  const { namespace, context, gateways } = options;
  const run = `e2e-${Date.now().toString(36)}`;
  const folder =
    options.out === undefined ? mkdtempSync(join(tmpdir(), 'e2e-')) : resolve(options.out);
  await mkdir(folder, { recursive: true });
  const edge = (await cluster.services()).find(({ name }) => name === 'ratelimit-edge');
  const door = openDoor({ route: edge?.url ?? '', gateways });
  const [gateway] = gateways;
  const shop = await openShop({
    env: gateway === undefined ? {} : { SECKILL_GATEWAY: gateway },
    args: ['--namespace', namespace, ...(context === undefined ? [] : ['--context', context])],
    run,
    onTold(line, status) {
      say('command', `${line}${status === 0 ? '' : `   (exit ${status})`}`);
    },
  });
  say('e2e', `what the clients are told is in ${folder}`);
  const atTheEnd = (what: string, undo: () => Promise<unknown>) => {
    undos.push({ what, undo });
  };
  const deps = { shop, door, interrupted, atTheEnd, run, folder };
  return {
    ...{ options, cluster, shop, door, interrupted, until, atTheEnd },
    newSale: (what) => createSale(deps, what),
  };
}

try {
  await main(readOptions(process.argv.slice(2), process.env));
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n${usage}\n`);
  process.exit(exits.unable);
}
