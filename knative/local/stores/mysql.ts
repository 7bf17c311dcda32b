// MariaDB standing in for MySQL 8, with MySQL's own defaults where the two differ and it matters
// to what our SQL may do. Every commit is on disk before it is answered.

import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'mysql2/promise';
import { findProgram, runProgram } from './programs.ts';
import { checkTimeoutMs, type Store, type StoreSite } from './store.ts';

// The default of MySQL 8.
const sqlMode = [
  'ONLY_FULL_GROUP_BY',
  'STRICT_TRANS_TABLES',
  'NO_ZERO_IN_DATE',
  'NO_ZERO_DATE',
  'ERROR_FOR_DIVISION_BY_ZERO',
  'NO_ENGINE_SUBSTITUTION',
].join(',');

// It refuses to run as root unless told to by name.
const asRoot = process.getuid?.() === 0 ? ['--user=root'] : [];

export const mysql: Store = {
  name: 'mysql',
  variable: 'SECKILL_MYSQL_URL',
  // The core packages hold all that is needed, and start no service.
  programs: [
    { program: 'mariadbd', debianPackage: 'mariadb-server-core' },
    { program: 'mariadb-install-db', debianPackage: 'mariadb-server-core' },
    // mariadb-install-db calls it.
    { program: 'my_print_defaults', debianPackage: 'mariadb-client-core' },
  ],

  async prepare(site) {
    await mkdir(site.folder, { recursive: true });
    if (!existsSync(`${site.folder}/data`)) await createDataFolder(site);
    await writeFile(`${site.folder}/init.sql`, initialSql(site), { mode: 0o600 });
  },

  command({ folder, port }) {
    const args = [
      '--no-defaults',
      ...asRoot,
      `--datadir=${folder}/data`,
      // Its own: a server that starts deletes the temporary tables that others have there.
      `--tmpdir=${folder}`,
      `--pid-file=${folder}/data/mariadbd.pid`,
      `--init-file=${folder}/init.sql`,
      '--bind-address=127.0.0.1',
      `--port=${port}`,
      // No Unix socket: its path may not be longer than some hundred characters.
      '--socket=',
      '--skip-name-resolve',
      '--character-set-server=utf8mb4',
      `--sql-mode=${sqlMode}`,
      '--default-time-zone=+00:00',
      '--innodb-flush-log-at-trx-commit=1',
    ];
    return { command: findProgram('mariadbd'), args };
  },

  address: ({ port, password }) => `mysql://seckill:${password}@127.0.0.1:${port}/seckill`,

  async check(address) {
    const connection = await createConnection({ uri: address, connectTimeout: checkTimeoutMs });
    try {
      await connection.query({ sql: 'select 1', timeout: checkTimeoutMs });
    } finally {
      connection.destroy();
    }
  },
};

/** All or nothing: an interrupted first start leaves no half-made data folder behind. */
async function createDataFolder({ folder }: StoreSite): Promise<void> {
  const unfinished = `${folder}/data.new`;
  await rm(unfinished, { recursive: true, force: true });
  await runProgram(
    findProgram('mariadb-install-db'),
    [
      '--no-defaults',
      ...asRoot,
      `--datadir=${unfinished}`,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
    ],
    `${folder}/log`,
  );
  await rename(unfinished, `${folder}/data`);
}

/** Run at each start, by the server itself. The user may make further databases `seckill…`. */
function initialSql({ password }: StoreSite): string {
  return [
    'CREATE DATABASE IF NOT EXISTS seckill CHARACTER SET utf8mb4;',
    "DROP USER IF EXISTS 'root'@'127.0.0.1', 'root'@'::1';",
    `CREATE OR REPLACE USER 'seckill'@'127.0.0.1' IDENTIFIED BY '${password}';`,
    "GRANT ALL ON `seckill%`.* TO 'seckill'@'127.0.0.1';",
    '',
  ].join('\n');
}
