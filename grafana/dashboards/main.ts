// Writes generated/*.json: `npx node grafana/dashboards/main.ts`. A test says when they are out of date.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Board, dashboardOf } from './dashboard.ts';
import { delivery } from './delivery.ts';
import { lockAndStores } from './lock-and-stores.ts';
import { sale } from './sale.ts';

export const boards: readonly Board[] = [sale, delivery, lockAndStores];

export const folder = join(import.meta.dirname, 'generated');

/** By the name of the file: what it has to contain. */
export function generated(): Readonly<Record<string, string>> {
  return Object.fromEntries(
    boards.map((board) => [
      `${board.uid}.json`,
      `${JSON.stringify(dashboardOf(board), null, 2)}\n`,
    ]),
  );
}

if (process.argv[1] === import.meta.filename) {
  for (const [name, text] of Object.entries(generated())) writeFileSync(join(folder, name), text);
}
