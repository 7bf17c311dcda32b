// The four functions as they are deployed: their bundles, on ports of their own, with what their
// Knative Service would give them.

import { join, resolve } from 'node:path';
import { type FunctionName, functionNames } from './build.ts';
import { choosePort, isFree } from './ports.ts';
import type { Service } from './service.ts';

const root = resolve(import.meta.dirname, '../..');
const edgePortByDefault = 8080;

/** Where they listen on 127.0.0.1: a function's metrics are at `<name>:metrics`. */
export type Ports = Readonly<
  Record<FunctionName | `${FunctionName}:metrics` | 'source-runner', number>
>;

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
): Promise<Ports> {
  const names = [
    ...functionNames.filter((name) => name !== 'ratelimit-edge'),
    ...functionNames.map((name) => `${name}:metrics`),
    'source-runner',
  ];
  const chosen = names.map(async (name) => [name, await choosePort(before[name])] as const);
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

/** How a function is run from its bundle. */
export function functionService(name: FunctionName, around: Surroundings): Service {
  const { folder, ports, given, env } = around;
  return {
    name,
    folder: join(folder, name),
    args: [join(distFolder(folder), name, 'main.cjs')],
    env: {
      ...given,
      ...env,
      // One of each: by its name it is known, and not by the machine's.
      SECKILL_METRICS_INSTANCE: name,
      SECKILL_METRICS_PORT: String(ports[`${name}:metrics`]),
      SECKILL_STATE_DIR: join(folder, name),
    },
    port: ports[name],
  };
}

/** How the source runner is run: it finds the sinks of the manifests by `SECKILL_SINK_…`. */
export function sourceRunnerService(
  around: Surroundings,
  manifests = join(root, 'kafka-sources'),
): Service {
  const { folder, ports, given, env } = around;
  return {
    name: 'source-runner',
    folder: join(folder, 'source-runner'),
    args: [join(root, 'knative/local/source-runner/main.ts'), manifests],
    env: {
      ...given,
      ...env,
      SECKILL_SINK_PERSIST_ORDER: `http://127.0.0.1:${ports['persist-order']}`,
      SECKILL_SINK_UPDATE_RANK: `http://127.0.0.1:${ports['update-rank']}`,
    },
    port: ports['source-runner'],
  };
}
