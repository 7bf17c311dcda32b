// The four stores for one run of the tests: real servers on free ports, in a folder that is
// removed at the end, however the run ends. Stores named in the environment are used instead.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { migrate } from '#functions/persist-order/migrate.ts';
import { type Say, sayOnStderr } from '#knative/local/say.ts';
import { createStores } from '#knative/local/stores/stores.ts';
import { createTopics } from '#knative/local/topics.ts';
import { kafkaAccessIn } from '#lib/kafka/access.ts';
import { mysqlAccessIn } from '#lib/mysql/access.ts';

const stateFolder = resolve(import.meta.dirname, '../../.seckill');
const ownFolderPattern = /^test-(\d+)$/;

export interface Stack {
  /** The stores' addresses and fresh keys, by the names of `lib/environment.ts`. */
  readonly env: Readonly<Record<string, string>>;
  /** Stops our stores and removes all they stored. */
  stop(): Promise<void>;
}

/** Brings up the stores, makes the topics and runs the migrations. Rejects with what failed. */
export async function startStack(say: Say = sayOnStderr): Promise<Stack> {
  removeAbandoned();
  const folder = join(stateFolder, `test-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  const endSweeper = sweepWhenWeEnd(folder);
  const key = () => randomBytes(32).toString('base64url');
  const stores = createStores({
    folder,
    password: key(),
    given: process.env,
    say,
    throwaway: true,
    syncs: false,
  });
  const stop = async () => {
    await stores.stop();
    await endSweeper();
  };
  try {
    const { env } = await stores.start();
    await createTopics(kafkaAccessIn({ ...process.env, ...env }));
    await migrate(mysqlAccessIn({ ...process.env, ...env }));
    return {
      env: {
        ...env,
        SECKILL_JWT_KEY: key(),
        SECKILL_SIGNING_KEYS: key(),
        SECKILL_PSEUDONYM_KEY: key(),
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Removes the folder also when we are killed: `sh` waits for the end of a pipe only we hold. */
function sweepWhenWeEnd(folder: string): () => Promise<void> {
  const script = 'read -r _; until rm -rf "$1"; do sleep 0.2; done';
  const sweeper = spawn('sh', ['-c', script, 'sh', folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  const exited = new Promise<void>((done) => {
    sweeper.once('exit', () => {
      done();
    });
  });
  return async () => {
    sweeper.stdin.end();
    await exited;
  };
}

/** Removes what earlier runs left when the machine went down under them. */
function removeAbandoned(): void {
  if (!existsSync(stateFolder)) return;
  for (const name of readdirSync(stateFolder)) {
    const pid = ownFolderPattern.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    rmSync(join(stateFolder, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
