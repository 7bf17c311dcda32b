// The four functions as they are deployed: their bundles, on ports of their own, with what their
// Knative Service would give them. Of several instances each has its own, and a front before them.

import { join, resolve } from 'node:path';
import { type FunctionName, functionNames } from './build.ts';
import { choosePort, isFree } from './ports.ts';
import type { Service } from './service.ts';
import { namesOf, type Topology } from './topology.ts';

const root = resolve(import.meta.dirname, '../..');
const edgePortByDefault = 8080;

/**
 * Where they listen on 127.0.0.1: a function as others reach it; of several instances each by its
 * name; the metrics of each at `<name>:metrics`.
 */
export type Ports = Readonly<Record<FunctionName | 'source-runner', number>> &
  Readonly<Record<string, number>>;

export type Instances = Pick<Topology, FunctionName | 'source-runner'>;

const oneOfEach: Instances = {
  ...{ 'ratelimit-edge': 1, purchase: 1, 'persist-order': 1, 'update-rank': 1 },
  'source-runner': 1,
};

export interface Surroundings {
  /** The runtime's; each program has a folder of its name in it. */
  readonly folder: string;
  readonly ports: Ports;
  /** What the runtime itself was given: the programs inherit it. */
  readonly given: Readonly<Record<string, string | undefined>>;
  /** Stores, keys and addresses, by the names of `lib/environment.ts`. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * The edge's port is the one asked for (`PORT`; 0: any), else 8080, and must be free; the others
 * are those of the last time where they still are free.
 */
export async function choosePorts(
  asked: string | undefined,
  before: Readonly<Record<string, number>>,
  counts: Instances = oneOfEach,
): Promise<Ports> {
  const instances = functionNames.flatMap((name) => namesOf(name, counts[name]));
  const names = new Set([
    ...functionNames,
    ...instances,
    ...instances.map((name) => `${name}:metrics`),
    ...namesOf('source-runner', counts['source-runner']),
  ]);
  names.delete('ratelimit-edge');
  const chosen = [...names].map(async (name) => [name, await choosePort(before[name])] as const);
  return {
    ...Object.fromEntries(await Promise.all(chosen)),
    'ratelimit-edge': await edgePort(asked, before['ratelimit-edge']),
  } as Ports;
}

async function edgePort(asked: string | undefined, before: number | undefined): Promise<number> {
  const port = asked === undefined || asked === '' ? edgePortByDefault : Number(asked);
  if (port === 0) return choosePort(before);
  if (await isFree(port)) return port;
  throw new Error(
    `Port ${port} of 127.0.0.1 is taken. What to do: end what listens there, or choose ` +
      'another one: PORT=8081 npm start',
  );
}

/** A runtime has bundles of its own: another one may be building at any time. */
export function distFolder(folder: string): string {
  return join(folder, 'dist');
}

/** How an instance of a function is run from its bundle. */
export function functionService(
  name: FunctionName,
  around: Surroundings,
  instance: string = name,
): Service {
  const { folder, ports, given, env } = around;
  return {
    name: instance,
    folder: join(folder, instance),
    args: [join(distFolder(folder), name, 'main.cjs')],
    env: {
      ...given,
      ...env,
      // By its name it is known, and not by the machine's.
      SECKILL_METRICS_INSTANCE: instance,
      SECKILL_METRICS_PORT: String(portOf(ports, `${instance}:metrics`)),
      SECKILL_STATE_DIR: join(folder, instance),
    },
    port: portOf(ports, instance),
  };
}

/** How the source runner is run: it finds the sinks of the manifests by `SECKILL_SINK_…`. */
export function sourceRunnerService(
  around: Surroundings,
  manifests = join(root, 'kafka-sources'),
  instance = 'source-runner',
): Service {
  const { folder, ports, given, env } = around;
  return {
    name: instance,
    folder: join(folder, instance),
    args: [join(root, 'knative/local/source-runner/main.ts'), manifests],
    env: {
      ...given,
      ...env,
      SECKILL_SINK_PERSIST_ORDER: `http://127.0.0.1:${ports['persist-order']}`,
      SECKILL_SINK_UPDATE_RANK: `http://127.0.0.1:${ports['update-rank']}`,
    },
    port: portOf(ports, instance),
  };
}

function portOf(ports: Ports, name: string): number {
  const port = ports[name];
  if (port === undefined) throw new Error(`no port was chosen for ${name}`);
  return port;
}
