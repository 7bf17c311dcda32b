// mysql2 behind drizzle, with the options that matter said.

import { drizzle, type MySql2Database } from 'drizzle-orm/mysql2';
import type { PoolConnection as CallbackConnection } from 'mysql2';
import { createPool, type Pool } from 'mysql2/promise';
import { mysqlLockWaitSeconds } from '#lib/constants.ts';

/**
 * The same on every server, MySQL 8's own: values that don't fit are errors, and backslashes
 * escape, as mysql2 relies on. Who waits for a row's lock is told within its request's deadline.
 */
const sessionSettings = `set session
  sql_mode = 'ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE',
  innodb_lock_wait_timeout = ${mysqlLockWaitSeconds}`;

export interface MysqlClient {
  readonly db: MySql2Database;
  readonly pool: Pool;
}

/**
 * A pool of at most `connections`. Each concurrent transaction takes one; the sum over all
 * instances stays within the server's budget. A caller beyond ten times that is refused at once.
 */
export function connectMysql(url: string, connections: number): MysqlClient {
  const pool = createPool({
    uri: url,
    connectionLimit: connections,
    queueLimit: connections * 10,
    connectTimeout: 2_000,
    // DATETIME(6) as text: a Date would cut the microseconds off.
    dateStrings: true,
    timezone: 'Z',
    supportBigNumbers: true,
  });
  // Queued before the connection's first query; a connection without it is not used. (The event
  // brings the connection with callbacks, whatever the types of mysql2/promise say.)
  pool.on('connection', (connection) => {
    (connection as unknown as CallbackConnection).query(sessionSettings, (error) => {
      if (error) connection.destroy();
    });
  });
  return { db: drizzle(pool), pool };
}
