// Brings up the four stores, real ones: those named in the environment are used as they are, the
// others run in containers where a Docker engine answers, else as programs of this machine. All
// of ours end with us, however we end.

import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { choosePort, isFree } from '../ports.ts';
import type { RunningProcess } from '../process.ts';
import type { Say } from '../say.ts';
import { namesOf } from '../topology.ts';
import { engineAnswers, startInContainers } from './docker.ts';
import { etcd } from './etcd.ts';
import { messageOf, untilHealthy } from './healthy.ts';
import { kafka } from './kafka.ts';
import { mysql } from './mysql.ts';
import { startMember, startNatively } from './native.ts';
import { redis } from './redis.ts';
import type { Member, OwnStores, Store, StoreName, StoreSite, StoreVariable } from './store.ts';

export const allStores: readonly Store[] = [redis, etcd, kafka, mysql];

export interface StoresOptions {
  /** Each process of ours gets a folder of its name in it. */
  readonly folder: string;
  /** Of how many processes a store of ours is; one where not said. */
  readonly counts?: Partial<Record<StoreName, number>>;
  /** Ports to take where they are free. */
  readonly ports?: Readonly<Record<string, number>>;
  /** Told which ports they take, before anything is stored by them. */
  readonly remember?: (ports: Readonly<Record<string, number>>) => void;
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
  /** As programs of this machine, also where a Docker engine answers. */
  readonly asPrograms?: boolean | undefined;
  /** See `OwnStores`. */
  readonly groupOf?: OwnStores['groupOf'];
  /** How long a store that is named may take to answer. */
  readonly givenDeadlineMs?: number;
}

export interface RunningStores {
  readonly env: Readonly<Record<StoreVariable, string>>;
  /** The ports of those that are ours, to be found again at the next start. */
  readonly ports: Readonly<Record<string, number>>;
  /** Where ours live. */
  readonly sites: ReadonlyMap<StoreName, readonly StoreSite[]>;
  /** The processes of ours by their names, or `docker`: the one that holds all containers. */
  readonly processes: ReadonlyMap<string, RunningProcess>;
}

export interface Stores {
  /** Resolves when all four answer; else rejects, ours stopped, with which did not and why. */
  start(): Promise<RunningStores>;
  /** Starts a process of ours again that has ended, where it was; resolves when it answers. */
  startAgain(name: string): Promise<RunningProcess>;
  /** Stops ours, also while `start` is still under way. */
  stop(): Promise<void>;
}

const givenDeadlineMsByDefault = 10_000;

export function createStores(options: StoresOptions): Stores {
  const { folder, given, say, throwaway = false } = options;
  const processes = new Map<string, RunningProcess>();
  const ports: Record<string, number> = {};
  const sites = new Map<StoreName, readonly StoreSite[]>();
  let stopping = false;

  const own: OwnStores = {
    folder,
    say,
    throwaway,
    leftoverWaitMs: options.leftoverWaitMs,
    groupOf: options.groupOf,
    async sitesOf({ name }) {
      const known = sites.get(name);
      if (known !== undefined) return known;
      const chosen = await chooseSites(name, options, ports);
      sites.set(name, chosen);
      return chosen;
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
      await Promise.all(ours.map(own.sitesOf));
      options.remember?.(ports);
      const [givenAddresses, ownAddresses] = await Promise.all([
        Promise.all(named.map(useNamed)),
        startOwn(ours, own, options),
      ]);
      const env = Object.fromEntries([
        ...named.map(({ variable }, index) => [variable, givenAddresses[index]]),
        ...ours.map(({ variable }, index) => [variable, ownAddresses[index]]),
      ]) as Record<StoreVariable, string>;
      return { env, ports, sites, processes };
    } catch (error) {
      await stop();
      throw error;
    }
  }

  async function startAgain(name: string): Promise<RunningProcess> {
    for (const store of allStores) {
      const site = sites.get(store.name)?.find((one) => one.name === name);
      if (site === undefined) continue;
      if (await isFree(site.port)) return startMember(store, site, own);
      throw new Error(`${name} could not get its port ${site.port} again`);
    }
    throw new Error(`${name} is not ours`);
  }

  async function stop(): Promise<void> {
    stopping = true;
    await Promise.all([...processes.values()].map((started) => started.stop()));
    if (throwaway) await rm(folder, { recursive: true, force: true });
  }

  return { start, startAgain, stop };
}

async function startOwn(
  stores: readonly Store[],
  own: OwnStores,
  { counts = {}, asPrograms = false }: Pick<StoresOptions, 'counts' | 'asPrograms'>,
): Promise<string[]> {
  if (stores.length === 0) return [];
  // docker-compose.yml has one of each.
  const isSingle = Object.values(counts).every((count) => count === 1);
  const inContainers = isSingle && !asPrograms && (await engineAnswers());
  return inContainers ? startInContainers(stores, own) : startNatively(stores, own);
}

/** A site for each process of a store; what has to be found again is added to `ports`. */
async function chooseSites(
  store: StoreName,
  { folder, counts, ports: before, password, syncs = true }: StoresOptions,
  ports: Record<string, number>,
): Promise<StoreSite[]> {
  const names = namesOf(store, counts?.[store] ?? 1);
  const isAlone = names.length === 1;
  const choose = isAlone ? choosePort : (port?: number) => chooseAgain(port, names, folder);
  const members: Member[] = await Promise.all(
    names.map(async (name) => ({
      name,
      port: await choose(before?.[name]),
      peerPort: await choose(before?.[peerPortOf(name)]),
    })),
  );
  for (const { name, port, peerPort } of members) {
    ports[name] = port;
    if (!isAlone) ports[peerPortOf(name)] = peerPort;
  }
  return members.map((member) => {
    return { ...member, members, folder: join(folder, member.name), password, syncs };
  });
}

function peerPortOf(name: string): string {
  return `${name}:peer`;
}

/** Members know each other by their ports, and what they have stored is of those. */
async function chooseAgain(
  before: number | undefined,
  names: readonly string[],
  folder: string,
): Promise<number> {
  const port = await choosePort(before);
  const hasData = names.some((name) => existsSync(join(folder, name, 'data')));
  if (!hasData || port === before) return port;
  const [first, last] = [names[0], names.at(-1)];
  const why =
    before === undefined
      ? `It is not known any more by which ports ${first} to ${last} know each other.`
      : `Port ${before} of 127.0.0.1 is taken, by which ${first} to ${last} know one of them.`;
  const what = before === undefined ? '' : 'end what listens there, or ';
  throw new Error(`${why}\nWhat to do: ${what}remove ${folder} to start afresh.`);
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
