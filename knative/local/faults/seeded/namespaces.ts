// Network and mounts of our own, where this machine lets us: what is cut and filled is ours alone,
// and is gone with the last of our processes, however they end.

import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { fetchKafka } from '../../stores/kafka-jars.ts';
import { ensurePrograms, findProgram } from '../../stores/programs.ts';
import { allStores } from '../../stores/stores.ts';

/** Set for the program inside. */
const marker = 'FAULTS_INSIDE';

const helpers = [
  { program: 'unshare', debianPackage: 'util-linux' },
  { program: 'mount', debianPackage: 'mount' },
  { program: 'ip', debianPackage: 'iproute2' },
  { program: 'nft', debianPackage: 'nftables' },
];

export function areOurs(): boolean {
  return process.env[marker] === '1';
}

/**
 * Runs this program once more, with these arguments, in namespaces of its own, and ends as that
 * one ends. Resolves only inside, with nothing, and where it is not possible, with why.
 */
export async function enterNamespaces(
  args: readonly string[],
  logFile: string,
  say: (text: string) => void,
): Promise<string | undefined> {
  if (areOurs()) return undefined;
  if (process.platform !== 'linux') return `${process.platform} has no network namespaces`;
  if (process.getuid?.() !== 0) return 'only root may make network namespaces';
  // Inside there is no way to where they come from.
  await ensurePrograms([...helpers, ...allStores.flatMap((one) => one.programs)], logFile, say);
  await fetchKafka(logFile, say);
  const unshare = [findProgram('unshare'), '--net', '--mount'] as const;
  const [command, ...options] = unshare;
  const tried = spawnSync(command, [...options, 'true'], { encoding: 'utf8' });
  if (tried.status !== 0) return tried.stderr.trim();
  const inside = ['sh', '-c', 'ip link set lo up && exec "$@"', 'sh', process.execPath];
  const child = spawn(command, [...options, ...inside, ...process.execArgv, ...args], {
    stdio: 'inherit',
    env: { ...process.env, [marker]: '1' },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => child.kill(signal));
  }
  return new Promise((_, reject) => {
    child.once('error', reject);
    child.once('exit', (status, signal) => {
      process.exit(signal === null ? (status ?? 1) : 128 + constants.signals[signal]);
    });
  });
}
