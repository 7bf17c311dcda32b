import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { is } from 'drizzle-orm';
import { readMigrationFiles } from 'drizzle-orm/migrator';
import { getTableConfig, MySqlTable } from 'drizzle-orm/mysql-core';
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import { afterEach, expect, test } from 'vitest';
import * as schema from '#lib/mysql/schema.ts';
import { uniqueDatabase } from '#lib/testing/unique.ts';
import { migrate } from './migrate.ts';

const run = promisify(execFile);
const migrationsFolder = join(import.meta.dirname, 'migrations');
const readme = readFileSync(join(migrationsFolder, 'README.md'), 'utf8');

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function connectTo(url: string): Promise<Connection> {
  const connection = await createConnection({ uri: url });
  closers.push(() => connection.end());
  return connection;
}

async function rowsOf(connection: Connection, sql: string): Promise<RowDataPacket[]> {
  const [rows] = await connection.query<RowDataPacket[]>(sql);
  return rows;
}

/** A copy of the migrations that a test may change. */
function ownMigrations(change: (text: string) => string): string {
  const folder = mkdtempSync(join(tmpdir(), 'seckill-migrations-'));
  closers.push(() => {
    rmSync(folder, { recursive: true });
  });
  cpSync(migrationsFolder, folder, { recursive: true });
  const file = join(folder, '0000_init.sql');
  writeFileSync(file, change(readFileSync(file, 'utf8')));
  return folder;
}

/** The migrations as they were when there were only so many. */
function firstMigrations(count: number): string {
  const folder = ownMigrations((text) => text);
  const file = join(folder, 'meta/_journal.json');
  const journal = JSON.parse(readFileSync(file, 'utf8')) as { readonly entries: unknown[] };
  writeFileSync(file, JSON.stringify({ ...journal, entries: journal.entries.slice(0, count) }));
  return folder;
}

test('five programs at once make the tables once, in a database that was not there', async () => {
  const url = await uniqueDatabase();
  const connection = await connectTo(url);
  await connection.query(`drop database ${new URL(url).pathname.slice(1)}`);
  const main = join(import.meta.dirname, 'migrate.ts');
  const env = { ...process.env, SECKILL_MYSQL_URL: url };
  await Promise.all(Array.from({ length: 5 }, () => run(process.execPath, [main], { env })));
  const applied = await rowsOf(await connectTo(url), 'select * from migrations');
  expect(applied).toHaveLength(readMigrationFiles({ migrationsFolder }).length);
  for (const one of applied) expect(one['statements_done']).toBe(one['statements_begun']);
});

test('the tables are the schema’s, in utf8mb4, compared byte by byte', async () => {
  const url = await uniqueDatabase();
  await migrate({ url: url });
  await migrate({ url: url });
  const connection = await connectTo(url);
  const columns = await rowsOf(
    connection,
    `select table_name as t, column_name as c, column_type as type, is_nullable as nullable,
       collation_name as collation
     from information_schema.columns where table_schema = database()`,
  );
  const tables = Object.values(schema).filter((table) => is(table, MySqlTable));
  for (const { name, columns: expected } of tables.map((table) => getTableConfig(table))) {
    for (const column of expected) {
      const found = columns.find(({ t, c }) => t === name && c === column.name);
      expect(found, `${name}.${column.name}`).toBeDefined();
      expect(found?.['nullable']).toBe(column.notNull ? 'NO' : 'YES');
      // `character set …` is told apart from the type; MariaDB says bigint(20), and its json is text.
      const [type = ''] = column.getSQLType().split(' ');
      const said = String(found?.['type']);
      expect(type === 'json' || said.startsWith(type), `${said} is ${type}`).toBe(true);
    }
  }
  const collations = new Set(columns.map(({ collation }) => collation as string | null));
  expect(collations).toEqual(new Set([null, 'utf8mb4_bin']));
});

test('no statement can make stock negative, or sell a unit twice', async () => {
  const url = await uniqueDatabase();
  await migrate({ url: url });
  const connection = await connectTo(url);
  await connection.query(
    `insert into products values
     ('p', '限量', 1, 'CNY', 1, 1, 1, 'on_sale', null, null, 1, '2026-01-01')`,
  );
  await expect(connection.query('update products set unsold = unsold - 2')).rejects.toThrow(
    /products_unsold/,
  );
  await connection.query(`insert into order_units values ('p', 1, 'o')`);
  await expect(
    connection.query(`insert into order_units values ('p', 1, 'another')`),
  ).rejects.toMatchObject({ code: 'ER_DUP_ENTRY' });
});

test('after a crash it goes on with the statement whose answer nobody heard', async () => {
  const url = await uniqueDatabase();
  await migrate({ url: url });
  const connection = await connectTo(url);
  // The crash: the third table was being made (and was), nothing after it.
  await connection.query('drop table products');
  await connection.query('drop index operations_by_product on operations');
  await connection.query('drop index units_by_order on order_units');
  await connection.query('drop index orders_by_user on orders');
  await connection.query('drop index orders_by_product on orders');
  await connection.query('update migrations set statements_begun = 3, statements_done = 2');
  await migrate({ url: url });
  expect(await rowsOf(connection, 'select * from products')).toEqual([]);
  expect(await rowsOf(connection, 'show index from orders')).toHaveLength(5);
  const [progress] = await rowsOf(connection, 'select * from migrations');
  expect(progress?.['statements_done']).toBe(8);
});

test('what a server refused is not taken for done by the next run', async () => {
  const url = await uniqueDatabase();
  const connection = await connectTo(url);
  await connection.query('create table products (another int)');
  for (const attempt of ['first', 'second']) {
    await expect(migrate({ url: url }), attempt).rejects.toMatchObject({
      code: 'ER_TABLE_EXISTS_ERROR',
    });
  }
  await connection.query('drop table products');
  await migrate({ url: url });
  expect(await rowsOf(connection, 'select stock from products')).toEqual([]);
});

test('an applied migration that was changed is noticed, one that failed may be mended', async () => {
  const url = await uniqueDatabase();
  const broken = ownMigrations((text) => text.replace('CREATE TABLE `products`', 'CREATE TABEL p'));
  await expect(migrate({ url: url }, broken)).rejects.toMatchObject({ code: 'ER_PARSE_ERROR' });
  await migrate({ url: url });
  const changed = ownMigrations((text) => `${text}\n-- an afterthought`);
  await expect(migrate({ url: url }, changed)).rejects.toThrow(/was changed after/);
});

test('what was sold before there was a ledger is in it, and the stock can be derived again', async () => {
  const url = await uniqueDatabase();
  await migrate({ url: url }, firstMigrations(2));
  const connection = await connectTo(url);
  const at = (second: number) => `'2026-01-01 00:00:${second}.000001'`;
  // Of 10 + 5 units, batch 1 sold 2 + 1 and batch 2 sold 4, of which 1 came back.
  await connection.query(
    `insert into products values
     ('p', 'P', 1, 'CNY', 15, 9, 9, 'on_sale', null, null, 1, ${at(10)}),
     ('by-hand', 'H', 1, 'CNY', 3, 3, 9, 'on_sale', null, null, 0, ${at(11)})`,
  );
  const order = (id: string, quantity: number, status: string, batch: string, second: number) =>
    `('${id}', 'p', 'u', ${quantity}, '${status}', null, 1, 'CNY', '${batch}', ${at(12)}, 1, 1,
      ${at(12)}, ${at(second)})`;
  await connection.query(
    `insert into orders values ${[
      order('o1', 2, 'confirmed', 'p.1.1', 20),
      order('o2', 1, 'confirmed', 'p.1.1', 21),
      order('o3', 9, 'rejected', 'p.1.1', 22),
      order('o4', 3, 'confirmed', 'p.1.2', 23),
      order('o5', 1, 'cancelled', 'p.1.2', 24),
      order('o6', 9, 'rejected', 'p.1.3', 25),
    ].join(', ')}`,
  );
  await connection.query(
    `insert into operations values
     ('op-1', 'p', 'me', 'create', '{"stock": 10, "units": 7}', ${at(10)}),
     ('op-2', 'p', 'me', 'open', '{}', ${at(11)}),
     ('op-3', 'p', 'me', 'restock', '{"units": 2, "stock": 12, "unsold": 5}', ${at(30)}),
     ('op-4', 'p', 'me', 'restock', '{"units": 3, "stock": 15, "unsold": 8}', ${at(31)}),
     ('op-5', 'p', 'me', 'cancel', '{"orderId": "o5", "quantity": 1}', ${at(40)})`,
  );
  await migrate({ url: url });
  const ledger = () =>
    rowsOf(
      connection,
      `select product_id, kind, reference, units, date_format(at, '%s.%f') as at
       from stock_movements order by product_id, at, reference`,
    );
  const filled = await ledger();
  expect(filled.map((row) => Object.values<unknown>(row))).toEqual([
    ['by-hand', 'on_sale', 'by-hand', 3, '11.000001'],
    ['p', 'on_sale', 'op-1', 10, '10.000001'],
    ['p', 'sold', 'p.1.1', -3, '21.000001'],
    ['p', 'sold', 'p.1.2', -4, '24.000001'],
    ['p', 'restock', 'op-3', 2, '30.000001'],
    ['p', 'restock', 'op-4', 3, '31.000001'],
    ['p', 'cancelled', 'o5', 1, '40.000001'],
  ]);
  const [query = ''] = /select p\.product_id[^;]*/.exec(readme) ?? [];
  expect(await rowsOf(connection, query)).toEqual([
    { product_id: 'by-hand', stock: 3, sold: 0, cancelled: 0, unsold: 3, is_right: 1 },
    { product_id: 'p', stock: 15, sold: 7, cancelled: 1, unsold: 9, is_right: 1 },
  ]);
  // As the README says of what an older revision writes while it is being replaced.
  await connection.query(`delete from stock_movements where reference in ('op-3', 'p.1.2', 'o5')`);
  await connection.query(`update stock_movements set units = -1 where reference = 'p.1.1'`);
  const [wrong] = (await rowsOf(connection, query)).slice(1);
  expect(wrong).toMatchObject({ product_id: 'p', stock: 13, sold: 1, is_right: 0 });
  const fills = readFileSync(join(migrationsFolder, '0002_stock_movements.sql'), 'utf8');
  for (const [fill] of fills.matchAll(/^REPLACE[^;]*;$/gm)) await connection.query(fill);
  expect(await ledger()).toEqual(filled);
});
