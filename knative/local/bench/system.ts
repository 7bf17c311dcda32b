// The whole system in a folder of its own, as `npm start` would run it, but in the bench's hands:
// more instances of a function, and no source runner while it would only disturb.

import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { migrate } from '#functions/persist-order/migrate.ts';
import { kafkaAccessIn } from '#lib/kafka/access.ts';
import { mysqlAccessIn } from '#lib/mysql/access.ts';
import { type consumerGroups, deadLetterTopics } from '#lib/names.ts';
import { buildFunctions, bundle, type FunctionName } from '../build.ts';
import {
  choosePorts,
  distFolder,
  functionService,
  type Ports,
  sourceRunnerService,
} from '../functions.ts';
import { choosePort } from '../ports.ts';
import type { Say } from '../say.ts';
import { type Service, startService } from '../service.ts';
import type { Secrets } from '../state.ts';
import { createStores } from '../stores/stores.ts';
import { startTicks } from '../tick.ts';
import { createTopics } from '../topics.ts';

export interface Running {
  readonly url: string;
  /** Where its metrics are, if it has some. */
  readonly metricsUrl: string;
  stop(): Promise<void>;
}

export interface System {
  readonly folder: string;
  /** How programs beside the functions reach them and the stores. */
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: Secrets;
  readonly edge: Running;
  readonly purchase: Running;
  readonly persistOrder: Running;
  readonly updateRank: Running;
  readonly doNothing: Running;
  /** Starts one more instance, with settings that differ, or from other bundles (in `dist`). */
  addInstance(
    name: FunctionName,
    env?: Readonly<Record<string, string>>,
    dist?: string,
  ): Promise<Running>;
  /** How a function or a reference is run once more beside the others. */
  oneMore(name: FunctionName | ReferenceName): Promise<Service>;
  /** The source runner delivers while `work` goes on; before and after it does not. */
  withSinks<T>(work: (runner: Running) => Promise<T>): Promise<T>;
  /** The same, but update-rank gets nothing. */
  withPersistOrder<T>(work: (runner: Running) => Promise<T>): Promise<T>;
}

export interface SystemOptions {
  readonly folder: string;
  readonly secrets: Secrets;
  readonly cpuProf: string | undefined;
  readonly say: Say;
  /** Told how to stop what has been started; the last one first. */
  readonly onStarted: (stop: () => Promise<void>) => void;
}

const referenceNames = ['do-nothing', 'bare'] as const;
type ReferenceName = (typeof referenceNames)[number];

/** The environment of the one who runs the benchmark is left out: it may name other stores. */
const given = { PATH: process.env.PATH };

export async function startSystem(options: SystemOptions): Promise<System> {
  const { folder, secrets, say, onStarted } = options;
  const ports = await choosePorts('0', {});
  const stores = createStores({
    folder,
    given,
    say,
    password: secrets.mysqlPassword,
    throwaway: true,
  });
  onStarted(() => stores.stop());
  const [{ env: addresses }] = await Promise.all([stores.start(), build(distFolder(folder))]);
  await Promise.all([migrate(mysqlAccessIn(addresses)), createTopics(kafkaAccessIn(addresses))]);
  const env = environmentOf(addresses, ports, secrets);
  const around = { folder, ports, given, env };

  const start = async (service: Service): Promise<Running> => {
    const supervised = await startService(service, say);
    onStarted(() => supervised.stop());
    return {
      url: `http://127.0.0.1:${service.port}`,
      metricsUrl: `http://127.0.0.1:${service.env.SECKILL_METRICS_PORT ?? ''}/metrics`,
      stop: () => supervised.stop(),
    };
  };
  const profiled = (service: Service): Service => {
    if (options.cpuProf === undefined) return service;
    const name = `${service.name}.cpuprofile`;
    const flags = ['--cpu-prof', `--cpu-prof-dir=${options.cpuProf}`, `--cpu-prof-name=${name}`];
    return { ...service, args: [...flags, ...service.args] };
  };
  let added = 0;
  const oneMore = async (name: FunctionName | ReferenceName): Promise<Service> => {
    added += 1;
    const own = join(folder, `${name}-${added + 1}`);
    const port = await choosePort();
    const metrics = { SECKILL_METRICS_PORT: String(await choosePort()), SECKILL_STATE_DIR: own };
    const service = isReference(name)
      ? referenceService(name, around)
      : functionService(name, around);
    const env = { ...service.env, ...metrics };
    return { ...service, name: `${name}-${added + 1}`, folder: own, port, env };
  };

  const [purchase, persistOrder, updateRank, doNothing] = await Promise.all([
    start(profiled(functionService('purchase', around))),
    start(profiled(functionService('persist-order', around))),
    start(profiled(functionService('update-rank', around))),
    oneMore('do-nothing').then(start),
  ]);
  const edge = await start(profiled(functionService('ratelimit-edge', around)));
  onStarted(startTicks(purchase.url));
  return {
    ...{ folder, env, secrets, edge, purchase, persistOrder, updateRank, doNothing, oneMore },
    async addInstance(name, differing = {}, dist = distFolder(folder)) {
      const service = await oneMore(name);
      const args = [join(dist, name, 'main.cjs')];
      return start({ ...service, args, env: { ...service.env, ...differing } });
    },
    withSinks: (work) => during(start(profiled(sourceRunnerService(around))), work),
    async withPersistOrder(work) {
      const manifests = await manifestsOf('persist-order', join(folder, 'persist-order-only'));
      return during(start(profiled(sourceRunnerService(around, manifests))), work);
    },
  };
}

async function during<T>(
  starting: Promise<Running>,
  work: (running: Running) => Promise<T>,
): Promise<T> {
  const running = await starting;
  try {
    return await work(running);
  } finally {
    await running.stop();
  }
}

/** Copies the manifests of one source and its dead letters to `to`, and resolves with that. */
async function manifestsOf(source: keyof typeof consumerGroups, to: string): Promise<string> {
  const from = join(import.meta.dirname, '../../../kafka-sources');
  const dead = deadLetterTopics[source].split('.').at(-1);
  await mkdir(to, { recursive: true });
  for (const name of [`200-kafkasource-${source}.yaml`, `100-kafkasink-orders-dead-${dead}.yaml`]) {
    await copyFile(join(from, name), join(to, name));
  }
  return to;
}

async function build(dist: string): Promise<void> {
  const bundleReference = (name: string) =>
    bundle(join(import.meta.dirname, 'reference', `${name}.ts`), join(dist, name, 'main.cjs'));
  await Promise.all([buildFunctions(dist), ...referenceNames.map(bundleReference)]);
}

function isReference(name: FunctionName | ReferenceName): name is ReferenceName {
  return referenceNames.some((one) => one === name);
}

/** As a function is run, but for its bundle. */
function referenceService(
  name: ReferenceName,
  around: Parameters<typeof functionService>[1],
): Service {
  const service = functionService('ratelimit-edge', around);
  return { ...service, args: [join(distFolder(around.folder), name, 'main.cjs')] };
}

function environmentOf(
  addresses: Readonly<Record<string, string>>,
  ports: Ports,
  { jwtKey, signingKey, pseudonymKey }: Secrets,
): Record<string, string> {
  return {
    ...addresses,
    SECKILL_URL: `http://127.0.0.1:${ports['ratelimit-edge']}`,
    SECKILL_PURCHASE_URL: `http://127.0.0.1:${ports.purchase}`,
    SECKILL_JWT_KEY: jwtKey,
    SECKILL_SIGNING_KEYS: signingKey,
    SECKILL_PSEUDONYM_KEY: pseudonymKey,
    // The crowd comes from here, and says from where it would come.
    SECKILL_TRUSTED_PROXIES: '127.0.0.0/8',
  };
}
