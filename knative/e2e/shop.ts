// The system as an operator has it: everything is done by `kn-seckill`, an executable on the path
// that gets its arguments and the environment, as `kn` calls a plugin. Where `kn` itself is on the
// path it is `kn seckill`.

import { delimiter, resolve } from 'node:path';
import type { Buyer } from './buyers.ts';
import type { Row } from './judge.ts';
import { type Ran, run } from './run.ts';

export interface Shop {
  /** How it is called: `kn seckill` or `kn-seckill`. */
  readonly command: string;
  /** One command; resolves with its exit status, whatever it is. */
  tell(...args: readonly string[]): Promise<Ran>;
  /** The JSON of a command that has to succeed; `-o json` is added. */
  ask<T>(...args: readonly string[]): Promise<T>;
  /** Tokens of so many buyers, none of whom has come before. */
  buyers(count: number): Promise<IterableIterator<Buyer>>;
  rows(productId: string): Promise<Row[]>;
}

export interface ShopOptions {
  /** Where the cluster is, as environment and arguments of each command. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly args: readonly string[];
  /** Names that no earlier run has used begin with it. */
  readonly run: string;
  /** Called with each command line and its status. */
  readonly onTold: (line: string, status: number) => void;
}

/** Looked into last: who has installed a plugin tries that one. */
const plugins = resolve(import.meta.dirname, '../plugin');

/** Resolves once it is known whether `kn` is there. */
export async function openShop({ env, args, run: name, onTold }: ShopOptions): Promise<Shop> {
  const PATH = `${process.env['PATH'] ?? ''}${delimiter}${plugins}`;
  const isKn = await run('kn', ['version'], { env: { PATH } }).then(
    ({ status }) => status === 0,
    () => false,
  );
  const [command, first]: [string, string[]] = isKn ? ['kn', ['seckill']] : ['kn-seckill', []];
  let signed = 0;

  async function tell(...asked: readonly string[]): Promise<Ran> {
    const ran = await run(command, [...first, ...asked, ...args], { env: { ...env, PATH } });
    onTold([command, ...first, ...asked].join(' '), ran.status);
    return ran;
  }

  async function ask<T>(...asked: readonly string[]): Promise<T> {
    const { status, stdout, stderr } = await tell(...asked, '-o', 'json');
    if (status === 0) return JSON.parse(stdout) as T;
    const said = stderr.trim() || stdout.trim();
    throw new Error(`${command} ${asked.join(' ')} exited ${status}: ${said}`);
  }

  return {
    command: [command, ...first].join(' '),
    tell,
    ask,
    async buyers(count) {
      const prefix = `${name}-${signed}-`;
      signed += 1;
      const tokens = await ask<{ user: string; token: string }[]>(
        ...['token', '--count', String(count), '--prefix', prefix, '--ttl', '2h'],
      );
      return tokens.map(({ user, token }) => ({ userId: user, token })).values();
    },
    rows: (productId) => ask<Row[]>('orders', 'list', productId, '--limit', '1000000'),
  };
}
