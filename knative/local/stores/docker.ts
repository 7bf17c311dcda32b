// The stores in containers, where a Docker engine answers: the services of docker-compose.yml,
// under a project name of this state folder's own.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { lastLines } from '../last-lines.ts';
import { type RunningProcess, startProcess } from '../process.ts';
import { secondsSince } from '../say.ts';
import { messageOf, untilHealthy } from './healthy.ts';
import type { OwnStores, Store, StoreSite } from './store.ts';

const composeFile = resolve(import.meta.dirname, '../../../docker-compose.yml');
const engineAnswerMs = 5_000;
/** Images may have to be pulled first. */
const healthyDeadlineMs = 300_000;
const graceMs = 60_000;

/** Whether containers can be run here: the engine itself answers, and `compose` is there. */
export async function engineAnswers(): Promise<boolean> {
  const run = promisify(execFile);
  try {
    await run('docker', ['info'], { timeout: engineAnswerMs });
    await run('docker', ['compose', 'version'], { timeout: engineAnswerMs });
    return true;
  } catch {
    return false;
  }
}

// $1: project, $2: compose file, $3: what `down` gets besides; the rest: the services.
// It ends the containers itself, because not every version of the client passes SIGTERM on.
const script = `
project=$1 file=$2 down=$3; shift 3
compose() {
  ( exec docker compose --project-name "$project" --file "$file" "$@" ) & running=$!
  wait "$running"
}
trap 'kill "$running" 2>/dev/null; trap "" TERM; compose down $down; exit 0' TERM
compose up --detach --no-color "$@" || exit 1
compose logs --follow --no-color
`;

/** Starts the containers; resolves with the stores' addresses when all of them answer. */
export async function startInContainers(
  stores: readonly Store[],
  own: OwnStores,
): Promise<string[]> {
  const startedAtMs = performance.now();
  const sited = await Promise.all(
    stores.map(async (store) => {
      const [site] = await own.sitesOf(store);
      if (site === undefined) throw new Error(`${store.name} has no site`);
      return { store, site };
    }),
  );
  const logFile = join(own.folder, 'docker.log');
  own.say('docker', `starting ${stores.map(({ name }) => name).join(', ')} in containers …`);
  const containers = await runContainers(sited, own, logFile);
  await own.keep('docker', containers);
  return Promise.all(
    sited.map(async ({ store, site }) => {
      const address = store.address(site);
      try {
        await untilHealthy(store, address, healthyDeadlineMs, containers.exited);
      } catch (error) {
        throw new Error(
          `${store.name} did not start in its container: ${messageOf(error)}\n` +
            `The end of ${logFile}:\n${lastLines(logFile)}`,
          { cause: error },
        );
      }
      own.say(store.name, `ready on 127.0.0.1:${site.port} in ${secondsSince(startedAtMs)}`);
      return address;
    }),
  );
}

interface Sited {
  readonly store: Store;
  readonly site: StoreSite;
}

/** A process that lasts as long as the containers do, and ends them when it is ended. */
async function runContainers(
  sited: readonly Sited[],
  own: OwnStores,
  logFile: string,
): Promise<RunningProcess> {
  const env: NodeJS.ProcessEnv = { ...process.env };
  for (const { store, site } of sited) {
    env[`SECKILL_${store.name.toUpperCase()}_PORT`] = String(site.port);
    env.SECKILL_MYSQL_PASSWORD = site.password;
  }
  const downOptions = own.throwaway ? '--volumes' : '';
  const services = sited.map(({ store }) => store.name);
  const project = projectOf(own.folder);
  return startProcess({
    name: 'docker',
    command: 'sh',
    args: ['-c', script, 'sh', project, composeFile, downOptions, ...services],
    env,
    logFile,
    graceMs,
  });
}

/** Containers and volumes are found again by the state folder they belong to. */
function projectOf(folder: string): string {
  const digest = createHash('sha256').update(resolve(folder)).digest('hex');
  return `seckill-${digest.slice(0, 12)}`;
}
