// Multi-row inserts by mysql2 itself: drizzle builds them at a quarter of the speed. Names and
// conversions still come from drizzle's schema.

import { getTableColumns, getTableName } from 'drizzle-orm';
import type { MySqlTable } from 'drizzle-orm/mysql-core';
import type { PoolConnection } from 'mysql2/promise';

/** Keeps a statement well below the smallest usual max_allowed_packet (4 MiB). */
const rowsPerStatement = 1_000;

/**
 * Inserts the rows plainly: a duplicate fails the statement, unless SQL is given that says what
 * becomes of it.
 */
export async function insertRows<Table extends MySqlTable>(
  connection: PoolConnection,
  table: Table,
  rows: readonly Table['$inferInsert'][],
  onDuplicate: `on duplicate key update ${string}` | '' = '',
): Promise<void> {
  const columns = Object.entries(getTableColumns(table));
  const names = columns.map(([, column]) => column.name);
  for (let at = 0; at < rows.length; at += rowsPerStatement) {
    const values = rows.slice(at, at + rowsPerStatement).map((row: Record<string, unknown>) =>
      columns.map(([key, column]) => {
        const value = row[key];
        return value === undefined || value === null ? null : column.mapToDriverValue(value);
      }),
    );
    await connection.query(`insert into ?? (??) values ? ${onDuplicate}`, [
      getTableName(table),
      names,
      values,
    ]);
  }
}
