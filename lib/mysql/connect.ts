// mysql2 behind drizzle, with the options that matter said.

import { drizzle, type MySql2Database } from 'drizzle-orm/mysql2';
import { createPool, type Pool } from 'mysql2/promise';

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
  return { db: drizzle(pool), pool };
}
