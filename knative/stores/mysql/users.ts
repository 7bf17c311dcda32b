// MySQL's users, one for each password, with the rights that grants.sql lists. Users come first, so
// that `migrate` can make the tables which the other grants are for; those are waited for.

import { type Connection, createConnection } from 'mysql2/promise';
import { type MysqlAccess, mysqlConfigOf } from '#lib/mysql/access.ts';
import { mysqlErrorOf } from '#lib/mysql/error.ts';
import { type Patience, untilDone } from '../wait.ts';

const connectTimeoutMs = 5_000;

/** One statement a line; what else there is, is a comment or empty. Throws at another statement. */
export function readGrants(text: string): string[] {
  const lines = text.split('\n').map((line) => line.trim());
  const statements = lines.filter((line) => line !== '' && !line.startsWith('--'));
  for (const statement of statements) {
    if (!/^grant\s.+;$/i.test(statement)) throw new Error(`not a GRANT in one line: ${statement}`);
  }
  return statements;
}

/** Resolves with what is so now, a line each. Rejects when MySQL or a table is not there in time. */
export async function prepareUsers(
  mysql: MysqlAccess,
  grants: readonly string[],
  passwords: ReadonlyMap<string, string>,
  patience: Patience,
): Promise<string[]> {
  const users = new Set(passwords.keys());
  const unnamed = grants.map(userOf).filter((user) => !users.has(user));
  if (unnamed.length > 0) throw new Error(`there is no password for ${unnamed.join(', ')}`);
  return await untilDone('MySQL', patience, async () => {
    const connection = await createConnection({
      ...mysqlConfigOf(mysql),
      connectTimeout: connectTimeoutMs,
    });
    try {
      return await prepare(connection, grants, passwords);
    } finally {
      await connection.end();
    }
  });
}

/** Throws where a table is not there yet, after all other grants. */
async function prepare(
  connection: Connection,
  grants: readonly string[],
  passwords: ReadonlyMap<string, string>,
): Promise<string[]> {
  const granted = new Set(grants.map(userOf));
  for (const user of granted) {
    const name = `${connection.escape(user)}@'%'`;
    const password = connection.escape(passwords.get(user));
    await connection.query(`create user if not exists ${name} identified by ${password}`);
    await connection.query(`alter user ${name} identified by ${password}`);
  }
  let missing: Error | undefined;
  for (const statement of grants) {
    try {
      await connection.query(statement);
    } catch (error) {
      if (mysqlErrorOf(error).code !== 'ER_NO_SUCH_TABLE') throw error;
      missing ??= error as Error;
    }
  }
  if (missing !== undefined) throw missing;
  return [...granted].map((user) => `MySQL: ${user} has its rights`);
}

function userOf(statement: string): string {
  const user = /\sto\s+'([^']+)'@'%'/i.exec(statement)?.[1];
  if (user === undefined) throw new Error(`a GRANT names its user as 'name'@'%': ${statement}`);
  return user;
}
