// For `drizzle-kit generate --config functions/persist-order/drizzle.config.ts`, run from the
// repository's root after a change of lib/mysql/schema.ts. See migrations/README.md.

import { defineConfig } from 'drizzle-kit';

export default defineConfig({
  dialect: 'mysql',
  schema: './lib/mysql/schema.ts',
  out: './functions/persist-order/migrations',
});
