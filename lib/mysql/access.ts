// How MySQL is reached: where, as whom, with TLS or without.

import type { ConnectionOptions } from 'mysql2';
import { type Environment, mysqlNames, readEnvironment } from '#lib/environment.ts';
import type { LiveTls } from '#lib/tls/live-tls.ts';
import { tlsOf } from '#lib/tls/tls-of.ts';

export interface MysqlAccess {
  /** With user, password and database. */
  readonly url: string;
  /** Without it, connections are not encrypted. */
  readonly tls?: LiveTls;
}

/** As the environment says it. Throws with what does not fit. */
export function mysqlAccessOf(
  environment: Pick<Environment, (typeof mysqlNames)[number]>,
): MysqlAccess {
  const isOn = environment.SECKILL_MYSQL_TLS === 'on';
  const tls = tlsOf('MYSQL', environment, { isOn, by: 'SECKILL_MYSQL_TLS=on' });
  return { url: environment.SECKILL_MYSQL_URL, ...(tls === undefined ? {} : { tls }) };
}

/** The same, of these variables. Throws with what is missing or does not fit. */
export function mysqlAccessIn(
  source: Readonly<Record<string, string | undefined>> = process.env,
): MysqlAccess {
  return mysqlAccessOf(readEnvironment(mysqlNames, source));
}

/** What mysql2 must be told of it; the rest of its options is the caller's. */
export function mysqlConfigOf({ url, tls }: MysqlAccess): ConnectionOptions {
  if (tls === undefined) return { uri: url };
  // mysql2 would take any certificate of a known authority, whoever it was made for.
  const ssl = Object.defineProperty(tls, 'verifyIdentity', { value: true, enumerable: true });
  return { uri: url, ssl };
}
