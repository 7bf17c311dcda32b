// Brings up the four stores, real ones: those named in the environment are used as they are, the
// others run in containers where a Docker engine answers, else as programs of this machine. All
// of ours end with us, however we end.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { choosePort } from '../ports.ts';
import type { RunningProcess } from '../process.ts';
import type { Say } from '../say.ts';
import { engineAnswers, startInContainers } from './docker.ts';
import { etcd } from './etcd.ts';
import { messageOf, untilHealthy } from './healthy.ts';
import { kafka } from './kafka.ts';
import { mysql } from './mysql.ts';
import { startNatively, startOne } from './native.ts';
import { redis } from './redis.ts';
import type { OwnStores, Store, StoreName, StoreVariable } from './store.ts';

export const allStores: readonly Store[] = [redis, etcd, kafka, mysql];

export interface StoresOptions {
  /** Each store of ours gets a folder of its name in it. */
  readonly folder: string;
  /** Ports to take where they are free. */
  readonly ports?: Partial<Record<StoreName, number>>;
  /** Of MySQL's user: letters, digits, `-` and `_`. */
  readonly password: string;
  /** Where stores may be named already: `process.env`. */
  readonly given: Readonly<Record<string, string | undefined>>;
  readonly say: Say;
  /** At the end: kill instead of shutting down, and remove the folder. */
  readonly throwaway?: boolean;
  /** See `StoreSite`; true where not said. */
  readonly syncs?: boolean;
  /** How long what a killed run left may take to end by itself. */
  readonly leftoverWaitMs?: number;
  /** How long a store that is named may take to answer. */
  readonly givenDeadlineMs?: number;
}

export interface RunningStores {
  readonly env: Readonly<Record<StoreVariable, string>>;
  /** The ports of those that are ours. */
  readonly ports: Readonly<Partial<Record<StoreName, number>>>;
  /** The processes of ours: a store's own, or the one that holds all containers. */
  readonly processes: ReadonlyMap<StoreName | 'docker', RunningProcess>;
}

export interface Stores {
  /** Resolves when all four answer; else rejects, ours stopped, with which did not and why. */
  start(): Promise<RunningStores>;
  /** Starts one of ours again that has ended, where it was; resolves when it answers. */
  startAgain(name: StoreName): Promise<RunningProcess>;
  /** Stops ours, also while `start` is still under way. */
  stop(): Promise<void>;
}

const givenDeadlineMsByDefault = 10_000;

export function createStores(options: StoresOptions): Stores {
  const { folder, given, say, throwaway = false, syncs = true } = options;
  const processes = new Map<StoreName | 'docker', RunningProcess>();
  const ports: Partial<Record<StoreName, number>> = {};
  let stopping = false;

  const own: OwnStores = {
    folder,
    say,
    throwaway,
    leftoverWaitMs: options.leftoverWaitMs,
    async siteOf({ name }) {
      const port = await choosePort(ports[name] ?? options.ports?.[name]);
      ports[name] = port;
      return { folder: join(folder, name), port, password: options.password, syncs };
    },
    async keep(name, started) {
      processes.set(name, started);
      if (stopping) await started.stop();
    },
  };

  async function start(): Promise<RunningStores> {
    const named = allStores.filter(({ variable }) => (given[variable] ?? '') !== '');
    const ours = allStores.filter((store) => !named.includes(store));
    const useNamed = (store: Store) => useGiven(store, options);
    try {
      const [givenAddresses, ownAddresses] = await Promise.all([
        Promise.all(named.map(useNamed)),
        startOwn(ours, own),
      ]);
      const env = Object.fromEntries([
        ...named.map(({ variable }, index) => [variable, givenAddresses[index]]),
        ...ours.map(({ variable }, index) => [variable, ownAddresses[index]]),
      ]) as Record<StoreVariable, string>;
      return { env, ports, processes };
    } catch (error) {
      await stop();
      throw error;
    }
  }

  async function startAgain(name: StoreName): Promise<RunningProcess> {
    const store = allStores.find((one) => one.name === name);
    const before = ports[name];
    if (store === undefined || before === undefined) throw new Error(`${name} is not ours`);
    await startOne(store, own);
    const started = processes.get(name);
    if (started === undefined || ports[name] !== before) {
      throw new Error(`${name} could not get its port ${before} again`);
    }
    return started;
  }

  async function stop(): Promise<void> {
    stopping = true;
    await Promise.all([...processes.values()].map((started) => started.stop()));
    if (throwaway) await rm(folder, { recursive: true, force: true });
  }

  return { start, startAgain, stop };
}

async function startOwn(stores: readonly Store[], own: OwnStores): Promise<string[]> {
  if (stores.length === 0) return [];
  return (await engineAnswers()) ? startInContainers(stores, own) : startNatively(stores, own);
}

async function useGiven(store: Store, options: StoresOptions): Promise<string> {
  const address = options.given[store.variable] ?? '';
  try {
    await untilHealthy(store, address, options.givenDeadlineMs ?? givenDeadlineMsByDefault);
  } catch (error) {
    throw new Error(
      `${store.name}, named by ${store.variable}, does not answer: ${messageOf(error)}\n` +
        `What to do: start it, or unset ${store.variable} to have one started here.`,
      { cause: error },
    );
  }
  options.say(store.name, `answers where ${store.variable} says`);
  return address;
}
