// Stores as programs of this machine, each a process of ours in a folder of its own.

import { join } from 'node:path';
import { lastLines } from '../last-lines.ts';
import { endLeftover, type RunningProcess, startProcess } from '../process.ts';
import { secondsSince } from '../say.ts';
import { messageOf, untilHealthy } from './healthy.ts';
import { areInstalled, ensurePrograms } from './programs.ts';
import type { OwnStores, Store, StoreSite } from './store.ts';

const healthyDeadlineMs = 60_000;
const graceMs = 15_000;

/** Installs what is missing and starts the stores side by side; resolves with their addresses. */
export async function startNatively(stores: readonly Store[], own: OwnStores): Promise<string[]> {
  const programs = stores.flatMap((store) => store.programs);
  const installed = ensurePrograms(programs, join(own.folder, 'install.log'), (text) => {
    own.say('install', text);
  });
  // What is there already starts meanwhile.
  const starts = stores.map(async (store) => {
    if (!areInstalled(store.programs)) await installed;
    return startStore(store, own);
  });
  const [addresses] = await Promise.all([Promise.all(starts), installed]);
  return addresses;
}

/** Starts one store whose programs are installed; resolves with its address when it answers. */
export async function startStore(store: Store, own: OwnStores): Promise<string> {
  const startedAtMs = performance.now();
  const sites = await own.sitesOf(store);
  await Promise.all(sites.map((site) => startMember(store, site, own)));
  const addresses = sites.map(store.address);
  await store.unite?.(addresses).catch((error: unknown) => {
    throw new Error(`${store.name} did not become one: ${messageOf(error)}`, { cause: error });
  });
  const ports = sites.map(({ port }) => port).join(', ');
  own.say(store.name, `ready on 127.0.0.1:${ports} in ${secondsSince(startedAtMs)}`);
  return addresses.join(',');
}

/** Starts one member; resolves when it answers, for which it may need most of the others. */
export async function startMember(
  store: Store,
  site: StoreSite,
  own: OwnStores,
): Promise<RunningProcess> {
  const { folder } = site;
  const logFile = join(folder, 'log');
  const pidFile = join(folder, 'pid');
  try {
    // A run that was killed may still be going down, with its hands on the data.
    await endLeftover(pidFile, own.leftoverWaitMs);
    await store.prepare(site, (text) => {
      own.say(site.name, text);
    });
    const started = await startProcess({
      name: site.name,
      ...store.command(site),
      logFile,
      pidFile,
      graceMs: own.throwaway ? 0 : graceMs,
      groupId: own.groupOf?.(site.name),
    });
    await own.keep(site.name, started);
    await untilHealthy(store, store.address(site), healthyDeadlineMs, started.exited);
    return started;
  } catch (error) {
    throw new Error(
      [
        `${site.name} did not start: ${messageOf(error)}`,
        `The end of ${logFile}:`,
        lastLines(logFile),
        'What to do: mend what the log says;',
        `if its data is damaged, remove ${folder} and start again;`,
        `or name a running ${store.name} by ${store.variable}.`,
        ...(store.needs === undefined ? [] : [store.needs]),
      ].join('\n'),
      { cause: error },
    );
  }
}
