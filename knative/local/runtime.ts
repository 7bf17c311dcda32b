// The whole system on this machine, in the order an order needs it: stores, tables and topics,
// the functions as they are deployed, the source runner between Kafka and the sinks, a demo sale.

import { migrate } from '#functions/persist-order/migrate.ts';
import { kafkaAccessIn } from '#lib/kafka/access.ts';
import { mysqlAccessIn } from '#lib/mysql/access.ts';
import { buildFunctions, endBuilding, type FunctionName, functionNames } from './build.ts';
import { openDemoSale } from './demo-sale.ts';
import { startFront } from './front.ts';
import {
  choosePorts,
  distFolder,
  functionService,
  type Ports,
  type Surroundings,
  sourceRunnerService,
} from './functions.ts';
import { type Say, secondsSince } from './say.ts';
import { type Service, startServices } from './service.ts';
import type { ProcessEntry, State } from './state.ts';
import {
  createStores,
  type RunningStores,
  type Stores,
  type StoresOptions,
} from './stores/stores.ts';
import { type Supervised, supervise } from './supervise.ts';
import { startTicks } from './tick.ts';
import { createTopics } from './topics.ts';
import { folderOf, type Kind, type Nodes, namesOf, topologyOf } from './topology.ts';

export interface RuntimeOptions {
  /** The state's. */
  readonly folder: string;
  /** One where not said. */
  readonly nodes?: Nodes;
  /** Told of ports as soon as they must be found again at the next start. */
  readonly remember?: (ports: Readonly<Record<string, number>>) => void;
  readonly state: State;
  readonly given: Readonly<Record<string, string | undefined>>;
  readonly say: Say;
  /** For tests that do something to single processes; see `StoresOptions`. */
  readonly asPrograms?: boolean | undefined;
  readonly groupOf?: StoresOptions['groupOf'];
}

export interface RunningRuntime {
  /** How programs beside the functions reach them and the stores. */
  readonly env: Readonly<Record<string, string>>;
  /** To be found again at the next start. */
  readonly ports: Readonly<Record<string, number>>;
  readonly processes: readonly ProcessEntry[];
}

export interface Runtime {
  /** Resolves when everything is ready; rejects with what is not and why. */
  start(): Promise<RunningRuntime>;
  /** Stops what was started, last first: nothing is fed by what has gone already. */
  stop(): Promise<void>;
}

export function createRuntime(options: RuntimeOptions): Runtime {
  const { state, given, say, remember = () => undefined, nodes = 1 } = options;
  const { asPrograms, groupOf } = options;
  const counts = topologyOf(nodes);
  const folder = folderOf(options.folder, nodes);
  const stops: (() => Promise<void>)[] = [];
  const processes: ProcessEntry[] = [];

  async function start(): Promise<RunningRuntime> {
    const ports = await choosePorts(given.PORT, state.ports, counts);
    const password = state.secrets.mysqlPassword;
    const before = { ports: state.ports, remember, asPrograms, groupOf };
    const stores = createStores({ folder, counts, ...before, password, given, say });
    stops.push(() => stores.stop());
    const [up] = await Promise.all([stores.start(), build(folder, say)]);
    keepStoresUp(stores, up);
    await prepareStores(up, options.given, say);
    const env = environmentOf(options, up, ports);
    const around = { folder, ports, given, env };
    await Promise.all([
      startFunction('purchase', around),
      startFunction('persist-order', around),
      startFunction('update-rank', around),
    ]);
    await startAll('source-runner', (name) => sourceRunnerService(around, undefined, name));
    await startFunction('ratelimit-edge', around);
    stops.push(startTicks(String(env.SECKILL_PURCHASE_URL)));
    await openDemoSale(env, say);
    return { env, ports: { ...up.ports, ...ports }, processes };
  }

  async function startFunction(name: FunctionName, around: Surroundings): Promise<void> {
    const serviceOf = (instance: string) => functionService(name, around, instance);
    if (counts[name] === 1) return startAll(name, serviceOf);
    const instances = namesOf(name, counts[name]);
    const urls = instances.map((one) => `http://127.0.0.1:${serviceOf(one).port}`);
    const front = await startFront(around.ports[name], urls);
    stops.push(() => front.stop());
    await startAll(name, serviceOf);
    await front.untilAllReady();
  }

  async function startAll(
    kind: FunctionName | 'source-runner',
    serviceOf: (name: string) => Service,
  ): Promise<void> {
    const services = namesOf(kind, counts[kind])
      .map(serviceOf)
      .map((service) => ({ ...service, groupId: groupOf?.(service.name) }));
    const running = await startServices(kind, services, say);
    stops.push(() => running.stop());
    processes.push(...entriesOf(kind, services));
  }

  /** A store that ends is started again, unless its `down` file asks for an outage. */
  function keepStoresUp(stores: Stores, up: RunningStores): void {
    const keepers = [...up.processes].flatMap(([name, running]): Supervised[] => {
      if (name === 'docker') return [];
      return [supervise(running, () => stores.startAgain(name), say)];
    });
    stops.push(async () => {
      await Promise.all([...keepers.map((keeper) => keeper.stop()), stores.stop()]);
    });
    if (up.processes.has('docker')) return;
    for (const [kind, sites] of up.sites) processes.push(...entriesOf(kind, sites));
  }

  async function stop(): Promise<void> {
    for (const stopOne of stops.splice(0).reverse()) await stopOne();
  }

  return { start, stop };
}

function entriesOf(
  kind: Kind,
  members: readonly (Pick<Service, 'name' | 'folder' | 'port'> & Partial<Service>)[],
): ProcessEntry[] {
  const isFunction = functionNames.some((name) => name === kind);
  return members.map(({ name, folder, port, env }, at) => ({
    ...{ name, kind, index: at + 1, folder, port },
    ...(isFunction ? { metricsPort: Number(env?.SECKILL_METRICS_PORT) } : {}),
  }));
}

async function build(folder: string, say: Say): Promise<void> {
  const startedAtMs = performance.now();
  await buildFunctions(distFolder(folder));
  await endBuilding();
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
  { folder, state, given, nodes = 1 }: RuntimeOptions,
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
    // Of several edges the clients are those of their front.
    ...(topologyOf(nodes)['ratelimit-edge'] === 1 ? {} : frontTrusted(given)),
    SECKILL_SIGNING_KEYS: given.SECKILL_SIGNING_KEYS ?? signingKey,
    SECKILL_PSEUDONYM_KEY: given.SECKILL_PSEUDONYM_KEY ?? pseudonymKey,
    SECKILL_STATE_DIR: folder,
  };
}

function frontTrusted({ SECKILL_TRUSTED_PROXIES: others = '' }: RuntimeOptions['given']) {
  return { SECKILL_TRUSTED_PROXIES: others === '' ? '127.0.0.1' : `${others},127.0.0.1` };
}
