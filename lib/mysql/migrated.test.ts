import { readMigrationFiles } from 'drizzle-orm/migrator';
import { expect, test } from 'vitest';
import { lastMigration } from './migrated.ts';

test('what functions wait for is the last migration there is', () => {
  const migrations = readMigrationFiles({ migrationsFolder: 'functions/persist-order/migrations' });
  const last = migrations.at(-1);
  expect({ madeAt: last?.folderMillis, statements: last?.sql.length }).toEqual(lastMigration);
});
