// mysql2 behind drizzle, with the options that matter said.

import type { Socket } from 'node:net';
import { drizzle, type MySql2Database } from 'drizzle-orm/mysql2';
import type { PoolConnection as CallbackConnection, Query } from 'mysql2';
import { createPool, type Pool } from 'mysql2/promise';
import { mysqlLockWaitSeconds } from '#lib/constants.ts';
import { type MysqlAccess, mysqlConfigOf } from './access.ts';

/**
 * What an instance that froze or fell off the network holds locked, in the middle of a
 * transaction, is free again after so long (the server's default is eight hours).
 */
const sessionIdleSeconds = 30;

/**
 * The same on every server, MySQL 8's own: values that don't fit are errors, and backslashes
 * escape, as mysql2 relies on. Who waits for a row's lock is told within its request's deadline.
 */
const sessionSettings = `set session
  sql_mode = 'ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE',
  innodb_lock_wait_timeout = ${mysqlLockWaitSeconds},
  wait_timeout = ${sessionIdleSeconds}`;

export interface MysqlClient {
  readonly db: MySql2Database;
  readonly pool: Pool;
}

/** No longer than a session may be idle, so that it is us who ends it. */
const idleTimeoutMs = (sessionIdleSeconds - 10) * 1_000;

/** The server did not answer in time. Whether it did what it was asked to is unknown. */
export class MysqlSilent extends Error {
  override readonly name = 'MysqlSilent';
}

export interface MysqlOptions {
  /** For how long the server may be silent on a statement; for ever where it is not said. */
  readonly silenceMaxMs?: number;
}

/**
 * A pool of at most `connections`. Each concurrent transaction takes one; the sum over all
 * instances stays within the server's budget. A caller beyond ten times that is refused at once.
 */
export function connectMysql(
  access: MysqlAccess,
  connections: number,
  { silenceMaxMs }: MysqlOptions = {},
): MysqlClient {
  const pool = createPool({
    ...mysqlConfigOf(access),
    connectionLimit: connections,
    queueLimit: connections * 10,
    connectTimeout: 2_000,
    maxIdle: connections - 1,
    idleTimeout: idleTimeoutMs,
    // DATETIME(6) as text: a Date would cut the microseconds off.
    dateStrings: true,
    timezone: 'Z',
    supportBigNumbers: true,
  });
  // Queued before the connection's first query; a connection without it is not used. (The event
  // brings the connection with callbacks, whatever the types of mysql2/promise say.)
  pool.on('connection', (given) => {
    const connection = given as unknown as CallbackConnection;
    if (silenceMaxMs !== undefined) limitSilence(connection, silenceMaxMs);
    connection.query(sessionSettings, (error) => {
      if (error) connection.destroy();
    });
  });
  return { db: drizzle(pool), pool };
}

/**
 * mysql2's own time-out leaves the connection to whoever comes next, though it is still busy. So
 * the connection ends, which fails the statement, and rolls back what it was a part of.
 */
function limitSilence(connection: CallbackConnection, timeoutMs: number): void {
  const { stream } = connection as unknown as { stream: Socket };
  let heardAtMs = 0;
  stream.on('data', () => {
    heardAtMs = performance.now();
  });
  const query = connection.query.bind(connection) as (...args: unknown[]) => Query;
  const limited = (...args: unknown[]): Query => {
    const statement = query(...args);
    const sentAtMs = performance.now();
    let timer: NodeJS.Timeout;
    let over = false;
    const judge = () => {
      if (over) return;
      const silentMs = performance.now() - Math.max(sentAtMs, heardAtMs);
      if (silentMs < timeoutMs) watch(timeoutMs - silentMs);
      else stream.destroy(new MysqlSilent(`MySQL has been silent for ${timeoutMs} ms`));
    };
    // After the events of the sockets: it may be us who have not listened.
    const watch = (forMs: number) => {
      timer = setTimeout(() => setImmediate(judge), forMs);
    };
    watch(timeoutMs);
    const settle = () => {
      over = true;
      clearTimeout(timer);
    };
    statement.once('end', settle);
    statement.once('error', settle);
    return statement;
  };
  connection.query = limited as typeof connection.query;
}
