// The whole system on this machine, in the order an order needs it: stores, tables and topics,
// the functions as they are deployed, the source runner between Kafka and the sinks, a demo sale.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { migrate } from '#functions/persist-order/migrate.ts';
import { kafkaAccessIn } from '#lib/kafka/access.ts';
import { mysqlAccessIn } from '#lib/mysql/access.ts';
import { buildFunctions } from './build.ts';
import { openDemoSale } from './demo-sale.ts';
import {
  choosePorts,
  distFolder,
  functionService,
  type Ports,
  sourceRunnerService,
} from './functions.ts';
import { type Say, secondsSince } from './say.ts';
import { type Service, startService } from './service.ts';
import type { State } from './state.ts';
import type { StoreName } from './stores/store.ts';
import { createStores, type RunningStores, type Stores } from './stores/stores.ts';
import { type Supervised, supervise } from './supervise.ts';
import { startTicks } from './tick.ts';
import { createTopics } from './topics.ts';

export interface RuntimeOptions {
  readonly folder: string;
  readonly state: State;
  readonly given: Readonly<Record<string, string | undefined>>;
  readonly say: Say;
}

export interface RunningRuntime {
  /** How programs beside the functions reach them and the stores. */
  readonly env: Readonly<Record<string, string>>;
  /** To be found again at the next start. */
  readonly ports: Readonly<Record<string, number>>;
}

export interface Runtime {
  /** Resolves when everything is ready; rejects with what is not and why. */
  start(): Promise<RunningRuntime>;
  /** Stops what was started, last first: nothing is fed by what has gone already. */
  stop(): Promise<void>;
}

export function createRuntime(options: RuntimeOptions): Runtime {
  const { folder, state, given, say } = options;
  const stops: (() => Promise<void>)[] = [];
  let stopping = false;

  async function start(): Promise<RunningRuntime> {
    const ports = await choosePorts(given.PORT, state.ports);
    const stores = createStores({
      folder,
      ports: state.ports,
      password: state.secrets.mysqlPassword,
      given,
      say,
    });
    stops.push(() => stores.stop());
    const [up] = await Promise.all([stores.start(), build(folder, say)]);
    const keepers = keepStoresUp(stores, up);
    stops.push(async () => {
      await Promise.all([...keepers.map((keeper) => keeper.stop()), stores.stop()]);
    });
    await prepareStores(up, options.given, say);
    const env = environmentOf(options, up, ports);
    const around = { folder, ports, given, env };
    await Promise.all([
      startOne(functionService('purchase', around)),
      startOne(functionService('persist-order', around)),
      startOne(functionService('update-rank', around)),
    ]);
    await startOne(sourceRunnerService(around));
    await startOne(functionService('ratelimit-edge', around));
    stops.push(startTicks(String(env.SECKILL_PURCHASE_URL)));
    await openDemoSale(env, say);
    return { env, ports: { ...up.ports, ...ports } };
  }

  async function startOne(service: Service): Promise<void> {
    const running = await startService(service, say);
    stops.push(() => running.stop());
  }

  /** A store that ends is started again, unless its `down` file asks for an outage. */
  function keepStoresUp(stores: Stores, { processes }: RunningStores): Supervised[] {
    return [...processes].flatMap(([name, running]) => {
      if (name === 'docker') return [];
      const startAgain = async () => {
        await whileDown(name);
        return stores.startAgain(name);
      };
      return [supervise(running, startAgain, say)];
    });
  }

  async function whileDown(name: StoreName): Promise<void> {
    const down = join(folder, name, 'down');
    if (existsSync(down)) say(name, `stays down while there is ${down}`);
    while (existsSync(down) && !stopping) await setTimeout(100);
  }

  async function stop(): Promise<void> {
    stopping = true;
    for (const stopOne of stops.splice(0).reverse()) await stopOne();
  }

  return { start, stop };
}

async function build(folder: string, say: Say): Promise<void> {
  const startedAtMs = performance.now();
  await buildFunctions(distFolder(folder));
  say('functions', `built in ${secondsSince(startedAtMs)}`);
}

async function prepareStores(
  { env }: RunningStores,
  given: RuntimeOptions['given'],
  say: Say,
): Promise<void> {
  const startedAtMs = performance.now();
  const source = { ...given, ...env };
  await Promise.all([migrate(mysqlAccessIn(source)), createTopics(kafkaAccessIn(source))]);
  say('tables, topics', `ready in ${secondsSince(startedAtMs)}`);
}

/** Keys named in the environment are used; otherwise those made at the first start. */
function environmentOf(
  { folder, state, given }: RuntimeOptions,
  { env }: RunningStores,
  ports: Ports,
): Record<string, string> {
  const { jwtKey, signingKey, pseudonymKey } = state.secrets;
  const identity = given.SECKILL_JWT_JWKS_URL
    ? { SECKILL_JWT_JWKS_URL: given.SECKILL_JWT_JWKS_URL }
    : { SECKILL_JWT_KEY: given.SECKILL_JWT_KEY ?? jwtKey };
  return {
    ...env,
    SECKILL_URL: `http://127.0.0.1:${ports['ratelimit-edge']}`,
    SECKILL_PURCHASE_URL: `http://127.0.0.1:${ports.purchase}`,
    ...identity,
    SECKILL_SIGNING_KEYS: given.SECKILL_SIGNING_KEYS ?? signingKey,
    SECKILL_PSEUDONYM_KEY: given.SECKILL_PSEUDONYM_KEY ?? pseudonymKey,
    SECKILL_STATE_DIR: folder,
  };
}
