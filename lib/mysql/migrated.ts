// Whether the tables have the shape that this release reads and writes. An older release may be
// at work beside it, and so may a migration.

import type { Pool, RowDataPacket } from 'mysql2/promise';

/** The last migration of functions/persist-order/migrations: when made, of how many statements. */
export const lastMigration = { madeAt: 1_795_399_376_248, statements: 3 } as const;

/**
 * Throws where MySQL is away, or has not been brought to this release's shape or a later one.
 * A migration in which a statement is missing (an index without which units could be sold twice)
 * is none.
 */
export async function assertMigrated(pool: Pool): Promise<void> {
  const [rows] = await pool.query<RowDataPacket[]>(
    'select made_at from migrations where made_at = ? and statements_done >= ?',
    [lastMigration.madeAt, lastMigration.statements],
  );
  if (rows.length > 0) return;
  throw new Error('the tables are not as this release needs them: its migration has not ended');
}
