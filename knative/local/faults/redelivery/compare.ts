// Where two MySQL databases on one server, and two Redis databases, differ: every row and every
// score. MySQL joins by primary key, so nobody holds a table.

import { getTableColumns } from 'drizzle-orm';
import { getTableConfig, type MySqlTable } from 'drizzle-orm/mysql-core';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { orders, orderUnits, products, stockMovements } from '#lib/mysql/schema.ts';
import { boardKey, boardKinds, productsBoardKey } from '#lib/names.ts';
import type { World } from './world.ts';

/** Columns that say when somebody wrote; everything else follows from the events. */
const tables = [
  { table: orders, but: ['created_at'] },
  { table: orderUnits, but: [] },
  { table: products, but: ['created_at'] },
  { table: stockMovements, but: ['at'] },
];

const shownMax = 5;

/** The first differences of each table and each board, in words; none where all is equal. */
export async function differencesBetween(
  given: World,
  clean: World,
  productIds: readonly string[],
): Promise<string[]> {
  const found = [...(await differentRows(given, clean))];
  const keys = productIds.flatMap((id) => boardKinds.map((kind) => boardKey(id, kind)));
  for (const key of [...keys, productsBoardKey]) {
    found.push(...(await differentScores(given, clean, key)));
  }
  return found;
}

async function differentRows(given: World, clean: World): Promise<string[]> {
  const connection = await createConnection({ uri: given.mysqlUrl, dateStrings: true });
  try {
    const found: string[] = [];
    for (const { table, but } of tables) {
      for (const sql of statements(table, but, databaseOf(given), databaseOf(clean))) {
        const [rows] = await connection.query<RowDataPacket[]>(sql);
        found.push(...rows.map((row) => JSON.stringify(row)));
      }
    }
    return found;
  } finally {
    await connection.end();
  }
}

/** Rows that are missing, too many, different. */
function statements(
  table: MySqlTable,
  but: readonly string[],
  given: string,
  clean: string,
): string[] {
  const { name, primaryKeys } = getTableConfig(table);
  const columns = Object.values(getTableColumns(table));
  const key = primaryKeys[0]?.columns ?? columns.filter(({ primary }) => primary);
  const sameKey = key.map((column) => `g.${column.name} = c.${column.name}`).join(' and ');
  const compared = columns.filter((column) => !but.includes(column.name));
  // As bytes: a collation may take two texts for one.
  const bytes = (alias: string, column: string) => `cast(${alias}.${column} as binary)`;
  const isSame = compared
    .map((column) => `${bytes('g', column.name)} <=> ${bytes('c', column.name)}`)
    .join(' and ');
  const both = compared.map(
    ({ name: column }) =>
      `if(${bytes('g', column)} <=> ${bytes('c', column)}, g.${column}, concat_ws(' instead of ', ` +
      `coalesce(g.${column}, 'null'), coalesce(c.${column}, 'null'))) ${column}`,
  );
  const [one] = key;
  return [
    `select '${name}: a row is missing' what, c.* from ${clean}.${name} c
      left join ${given}.${name} g on ${sameKey} where g.${one?.name} is null limit ${shownMax}`,
    `select '${name}: a row too many' what, g.* from ${given}.${name} g
      left join ${clean}.${name} c on ${sameKey} where c.${one?.name} is null limit ${shownMax}`,
    `select '${name}: a row is different' what, ${both.join(', ')} from ${given}.${name} g
      join ${clean}.${name} c on ${sameKey} where not (${isSame}) limit ${shownMax}`,
  ];
}

const databaseOf = ({ mysqlUrl }: World) => new URL(mysqlUrl).pathname.slice(1);

/** A board holds no more than `boardMembersMax`. */
async function differentScores(given: World, clean: World, key: string): Promise<string[]> {
  const [is, should] = await Promise.all(
    [given, clean].map(({ redis }) => redis.zrange(key, '0', '-1', 'WITHSCORES')),
  );
  const found: string[] = [];
  const length = Math.max(is?.length ?? 0, should?.length ?? 0);
  for (let at = 0; at < length && found.length < shownMax; at += 2) {
    const [one, other] = [is, should].map((all) => `${all?.[at]} ${all?.[at + 1]}`);
    if (one !== other) found.push(`${key}, place ${at / 2}: ${one} instead of ${other}`);
  }
  return found;
}
