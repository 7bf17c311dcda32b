// The programs that stores are run by: found on the machine, or installed from the packages of
// Debian and its kin where we may. No service of the system is ever started.

import { execFile, spawn } from 'node:child_process';
import { accessSync, closeSync, constants, mkdirSync, openSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { lastLines } from '../last-lines.ts';

export interface Program {
  readonly program: string;
  readonly debianPackage: string;
}

// Servers live in folders that are not on everybody's path.
const serverFolders = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** The program's full path; throws where it is not on this machine. */
export function findProgram(program: string): string {
  const found = lookUp(program);
  if (found === undefined) throw new Error(`The program ${program} is not installed`);
  return found;
}

/** Its full path, on the path or in these folders; undefined where it is not on this machine. */
export function lookUp(
  program: string,
  otherFolders: readonly string[] = serverFolders,
): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...otherFolders];
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, program))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Whether all of them are on this machine. */
export function areInstalled(programs: readonly Program[]): boolean {
  return programs.every(({ program }) => lookUp(program) !== undefined);
}

/** Runs a program to its end, its output in the log; rejects where it fails. */
export async function runProgram(
  command: string,
  args: readonly string[],
  logFile: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  mkdirSync(dirname(logFile), { recursive: true });
  const log = openSync(logFile, 'a');
  const status = await new Promise<number | null>((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', log, log], env });
    child.once('error', reject);
    child.once('exit', resolve);
  }).finally(() => {
    closeSync(log);
  });
  if (status !== 0) throw new Error(`${command} failed (status ${String(status)})`);
}

// Packages of servers start them when they are installed, unless this file says no (101).
const installScript = `
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 130' INT TERM HUP
  printf '#!/bin/sh\\nexit 101\\n' > "$policy" && chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update || echo 'apt-get update failed; trying with the lists there are'
apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=120 "$@"
`;

/**
 * Installs what is missing of these programs. Where that is not allowed it rejects with what to
 * install by hand.
 */
export async function ensurePrograms(
  programs: readonly Program[],
  logFile: string,
  say: (text: string) => void,
): Promise<void> {
  const missing = programs.filter(({ program }) => lookUp(program) === undefined);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map(({ debianPackage }) => debianPackage))];
  const asRoot = lookUp('apt-get') === undefined ? undefined : await rootPrefix();
  if (asRoot === undefined) throw new Error(installByHand(missing, packages));
  say(`installing ${packages.join(', ')} (apt-get) …`);
  const [command = 'sh', ...args] = [...asRoot, 'sh', '-c', installScript, 'sh', ...packages];
  await runProgram(command, args, logFile).catch((error: unknown) => {
    throw new Error(
      `${packages.join(', ')} could not be installed. The end of ${logFile}:\n${lastLines(logFile)}`,
      { cause: error },
    );
  });
  const still = missing.find(({ program }) => lookUp(program) === undefined);
  if (still) {
    throw new Error(`${still.debianPackage} was installed, but there is no ${still.program}`);
  }
}

/** What to put before a command to run it as root; undefined where we may not. */
async function rootPrefix(): Promise<string[] | undefined> {
  if (process.getuid?.() === 0) return [];
  try {
    await promisify(execFile)('sudo', ['-n', 'true'], { timeout: 5_000 });
    return ['sudo', '-n'];
  } catch {
    return undefined;
  }
}

function installByHand(missing: readonly Program[], packages: readonly string[]): string {
  return [
    `Not installed: ${missing.map(({ program }) => program).join(', ')}. One of these helps:`,
    `  · sudo apt-get install --no-install-recommends ${packages.join(' ')}   (Debian, Ubuntu)`,
    '  · start Docker: the stores then run in containers (docker-compose.yml)',
    '  · name stores that run elsewhere: SECKILL_REDIS_URL, SECKILL_ETCD_ENDPOINTS,',
    '    SECKILL_KAFKA_BROKERS, SECKILL_MYSQL_URL',
  ].join('\n');
}
