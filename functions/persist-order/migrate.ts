// Brings MySQL's tables to this release's shape, once however many start it at the same time.
// DDL cannot be rolled back, so progress is recorded per statement: after a crash the next run
// repeats the one statement whose answer nobody heard, and takes "it is there already" for done.

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type MigrationMeta, readMigrationFiles } from 'drizzle-orm/migrator';
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import { type MysqlAccess, mysqlAccessIn, mysqlConfigOf } from '#lib/mysql/access.ts';
import { mysqlErrorOf } from '#lib/mysql/error.ts';

/** Longer than any migration of ours takes; who waits longer than this fails, changing nothing. */
const lockTimeoutSeconds = 120;
const connectTimeoutMs = 5_000;

/** What MySQL and MariaDB say when a DDL statement has been carried out before. */
const alreadyDone: ReadonlySet<string> = new Set([
  'ER_TABLE_EXISTS_ERROR',
  'ER_BAD_TABLE_ERROR',
  'ER_DUP_FIELDNAME',
  'ER_DUP_KEYNAME',
  'ER_CANT_DROP_FIELD_OR_KEY',
]);

interface Progress extends RowDataPacket {
  readonly made_at: number;
  readonly hash: string;
  readonly statements_begun: number;
  readonly statements_done: number;
}

interface Step {
  readonly madeAt: number;
  readonly hash: string;
  readonly index: number;
  readonly statement: string;
  readonly inDoubt: boolean;
}

/**
 * Applies the migrations that are not applied yet, and makes the database if it is missing.
 * Safe to call from many processes at once, and again after a crash. Throws where MySQL is away,
 * a statement fails, or an applied migration was changed since.
 */
export async function migrate(
  mysql: MysqlAccess,
  migrationsFolder: string = join(import.meta.dirname, 'migrations'),
): Promise<void> {
  const migrations = readMigrationFiles({ migrationsFolder });
  const connection = await connect(mysql);
  try {
    await lock(connection, mysql.url);
    await connection.query(
      `create table if not exists migrations (
        made_at bigint primary key,
        hash char(64) not null,
        statements_begun int not null,
        statements_done int not null
      ) default character set utf8mb4 collate utf8mb4_bin`,
    );
    const [rows] = await connection.query<Progress[]>('select * from migrations');
    for (const migration of migrations) {
      const progress = rows.find((row) => row.made_at === migration.folderMillis);
      await apply(connection, migration, progress);
    }
  } finally {
    // Ends the session and with it the lock.
    await connection.end();
  }
}

async function apply(
  connection: Connection,
  migration: MigrationMeta,
  progress: Progress | undefined,
): Promise<void> {
  const { folderMillis: madeAt, hash, sql: statements } = migration;
  const done = progress?.statements_done ?? 0;
  if (progress !== undefined && done >= statements.length) {
    if (progress.hash === hash) return;
    throw new Error(`the migration made at ${madeAt} was changed after it had been applied`);
  }
  if (progress === undefined) {
    await connection.query('insert into migrations values (?, ?, 0, 0)', [madeAt, hash]);
  }
  for (const [index, statement] of statements.entries()) {
    if (index < done) continue;
    const inDoubt = (progress?.statements_begun ?? 0) > index;
    await step(connection, { madeAt, hash, index, statement, inDoubt });
  }
}

/** One statement. Begun but not done means: nobody heard whether the server carried it out. */
async function step(
  connection: Connection,
  { madeAt, hash, index, statement, inDoubt }: Step,
): Promise<void> {
  const note = (begun: number, done: number) =>
    connection.query(
      `update migrations set statements_begun = ?, statements_done = ?, hash = ?
       where made_at = ?`,
      [begun, done, hash, madeAt],
    );
  await note(index + 1, index);
  // DDL commits by itself; a statement that writes rows is committed with its progress.
  await connection.beginTransaction();
  try {
    await connection.query(statement);
  } catch (error) {
    if (!isAnswer(error)) throw error;
    if (!inDoubt || !alreadyDone.has(mysqlErrorOf(error).code)) {
      await connection.rollback();
      await note(index, index);
      throw error;
    }
  }
  await note(index + 1, index + 1);
  await connection.commit();
}

/** Held by the session, so that a crash frees it. The name is the server's, hence the digest. */
async function lock(connection: Connection, mysqlUrl: string): Promise<void> {
  const database = createHash('sha256').update(databaseOf(mysqlUrl)).digest('hex').slice(0, 16);
  const [rows] = await connection.query<RowDataPacket[]>('select get_lock(?, ?) as got', [
    `seckill.migrate.${database}`,
    lockTimeoutSeconds,
  ]);
  if (rows[0]?.['got'] !== 1) throw new Error('another migration has not ended in time');
}

async function connect(mysql: MysqlAccess): Promise<Connection> {
  const options = { connectTimeout: connectTimeoutMs, supportBigNumbers: true };
  try {
    return await createConnection({ ...options, ...mysqlConfigOf(mysql) });
  } catch (error) {
    if (mysqlErrorOf(error).code !== 'ER_BAD_DB_ERROR') throw error;
  }
  const server = new URL(mysql.url);
  server.pathname = '/';
  const connection = await createConnection({
    ...options,
    ...mysqlConfigOf({ ...mysql, url: server.href }),
  });
  const name = connection.escapeId(databaseOf(mysql.url));
  await connection.query(
    `create database if not exists ${name} default character set utf8mb4 collate utf8mb4_bin`,
  );
  await connection.query(`use ${name}`);
  return connection;
}

function databaseOf(mysqlUrl: string): string {
  return decodeURIComponent(new URL(mysqlUrl).pathname.slice(1));
}

/** Whether the server said so, rather than the connection broke. */
function isAnswer(error: unknown): boolean {
  return error instanceof Error && 'errno' in error && !('fatal' in error && error.fatal === true);
}

if (import.meta.main) {
  migrate(mysqlAccessIn()).catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
}
