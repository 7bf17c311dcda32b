// The tables of the shipped migrations in an SQLite, and the few differences of its dialect. Two handles
// on one file: one writes, the other sees what is committed.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { format } from 'node:util';

export interface Database {
  readonly begin: () => void;
  readonly commit: () => void;
  readonly rollback: () => void;
  /** Rows, or how many were changed. `sees`: also what the transaction that writes has written. */
  run(
    sql: string,
    params: readonly unknown[],
    options: { readonly asArrays: boolean; readonly sees: boolean },
  ): unknown;
  /** Everything is gone but the tables. */
  readonly clear: () => void;
  readonly close: () => void;
}

const migrations = join(import.meta.dirname, '../../persist-order/migrations');

const statementsKept = 200;

export function openDatabase(): Database {
  const folder = mkdtempSync(join(tmpdir(), 'seckill-simulation-'));
  const path = join(folder, 'mysql.sqlite');
  const writer = new DatabaseSync(path);
  writer.exec('pragma journal_mode = wal; pragma synchronous = off');
  for (const statement of readMigrations()) writer.exec(statement);
  const reader = new DatabaseSync(path);
  const tables = namesOf(writer);
  const prepared = new Map<string, StatementSync>();
  const prepare = (sql: string, sees: boolean): StatementSync => {
    const name = `${sees} ${sql}`;
    const known = prepared.get(name);
    if (known !== undefined) return known;
    // Lists of ids make ever new texts.
    if (prepared.size >= statementsKept) prepared.clear();
    const statement = (sees ? writer : reader).prepare(sql);
    prepared.set(name, statement);
    return statement;
  };
  return {
    begin() {
      writer.exec('begin immediate');
    },
    commit() {
      writer.exec('commit');
    },
    rollback() {
      writer.exec('rollback');
    },
    run(sql, params, { asArrays, sees }) {
      try {
        const { text, values } = expand(sql, params);
        const statement = prepare(text, sees);
        if (!/^\s*select/i.test(text)) {
          const { changes } = statement.run(...values);
          return { affectedRows: Number(changes) };
        }
        statement.setReturnArrays(asArrays);
        return statement.all(...values);
      } catch (error) {
        throw asMysqlError(error as Error);
      }
    },
    clear() {
      // A schedule may end in the middle of a transaction.
      if (writer.isTransaction) writer.exec('rollback');
      for (const table of tables) writer.exec(`delete from ${table}`);
    },
    close() {
      reader.close();
      writer.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/**
 * What SQLite does not know of MySQL's DDL is left out; nothing here depends on it. So is what
 * fills a table from older rows: there are none.
 */
function readMigrations(): string[] {
  return readdirSync(migrations)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .flatMap((name) =>
      readFileSync(join(migrations, name), 'utf8').split('--> statement-breakpoint'),
    )
    .map((statement) =>
      statement
        .replace(/ (default )?character set \w+/gi, '')
        .replace(/ collate \w+/gi, '')
        .trim(),
    )
    .filter((statement) => statement !== '' && !/^replace /i.test(statement));
}

function namesOf(database: DatabaseSync): string[] {
  const rows = database.prepare("select name from sqlite_master where type = 'table'").all();
  return rows.map(({ name }) => String(name));
}

/** A statement for SQLite, and whether MySQL would lock rows for it. */
export function translate(sql: string): { readonly text: string; readonly locks: boolean } {
  const forUpdate = / for (update|share)\s*$/i;
  const isSelect = /^\s*select/i.test(sql);
  const text = sql
    .replace(forUpdate, '')
    .replace(/ on duplicate key update .*$/is, (clause) =>
      clause
        .replace(/ on duplicate key update /i, ' on conflict do update set ')
        .replace(/\bvalues\((\w+)\)/gi, 'excluded.$1'),
    );
  return { text, locks: !isSelect || forUpdate.test(sql) };
}

/** What a statement is for, as far as its words tell. */
export function stepOf(sql: string): string {
  const verb = /^\s*(\w+)/.exec(sql)?.[1];
  const table = /(?:from|into|update)\s+`?(\w+|\?\?)`?/i.exec(sql)?.[1];
  return [verb, table, / for update/i.test(sql) ? 'locked' : undefined]
    .filter((part) => part !== undefined)
    .join(' ');
}

/** mysql2's own placeholders: `??` for names, a list of rows or of values for one `?`. */
function expand(sql: string, params: readonly unknown[]) {
  const values: SQLInputValue[] = [];
  const nameOf = (given: unknown) =>
    [given]
      .flat()
      .map((name) => `\`${String(name)}\``)
      .join(', ');
  const listOf = (given: unknown): string => {
    if (!Array.isArray(given)) {
      values.push(given as SQLInputValue);
      return '?';
    }
    const parts = given.map((item) => (Array.isArray(item) ? `(${listOf(item)})` : listOf(item)));
    return parts.join(', ');
  };
  let next = 0;
  const text = sql.replace(/\?\??/g, (mark) => {
    const given = params[next];
    next += 1;
    return mark === '??' ? nameOf(given) : listOf(given);
  });
  return { text, values };
}

function asMysqlError(error: Error): Error {
  const duplicate = /UNIQUE constraint/.test(error.message);
  const check = /CHECK constraint/.test(error.message);
  if (!duplicate && !check) return new Error(format('SQLite: %s', error.message), { cause: error });
  const code = duplicate ? 'ER_DUP_ENTRY' : 'ER_CHECK_CONSTRAINT_VIOLATED';
  const sqlState = duplicate ? '23000' : 'HY000';
  return Object.assign(new Error(error.message), { code, sqlState, errno: 1 });
}
