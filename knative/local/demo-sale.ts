// A sale to try out, made by the operators' own program, so that a first purchase needs no
// preparation.

import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Say } from './say.ts';

const cli = resolve(import.meta.dirname, '../plugin/kn-seckill');
const cliTimeoutMs = 30_000;

export const demoProductId = 'demo';
const sale = [
  ['--name', 'Demo phone'],
  ['--stock', '100'],
  ['--price', '9900'],
  ['--limit', '2'],
].flat();

/** Creates and opens the demo sale; leaves one that is there as it is. */
export async function openDemoSale(env: Readonly<Record<string, string>>, say: Say): Promise<void> {
  if (await isThere(env)) return;
  await runCli(['sale', 'create', demoProductId, ...sale], env);
  await runCli(['sale', 'open', demoProductId], env);
  say('demo sale', `open: ${demoProductId}, 100 units`);
}

/** A token of this user, as `kn-seckill token` makes it. */
export async function tokenOf(
  userId: string,
  env: Readonly<Record<string, string>>,
): Promise<string> {
  return (await runCli(['token', '--user', userId], env)).trim();
}

async function isThere(env: Readonly<Record<string, string>>): Promise<boolean> {
  const list = JSON.parse(await runCli(['sale', 'list', '-o', 'json'], env)) as {
    productId: string;
  }[];
  return list.some(({ productId }) => productId === demoProductId);
}

async function runCli(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(cli, args, {
      env: { ...process.env, ...env },
      timeout: cliTimeoutMs,
    });
    return stdout;
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string };
    const reason = stderr.trim() === '' ? message : stderr.trim();
    throw new Error(`kn-seckill ${args.join(' ')} failed: ${reason}`, { cause: error });
  }
}
