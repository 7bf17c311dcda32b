// The backup's scripts as the Jobs run them, by MariaDB's programs under MySQL's names: a dump with
// its place in the binary logs, restored, and rolled forward to the moment before a mistake.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { appendFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { migrate } from '#functions/persist-order/migrate.ts';
import { mysql } from '#knative/local/stores/mysql.ts';
import { ensurePrograms, findProgram } from '#knative/local/stores/programs.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { prepareUsers, readGrants } from './users.ts';

const folder = mkdtempSync(join(tmpdir(), 'seckill-backup-'));
const backups = join(folder, 'backups');
const patience = {
  waitMs: 30_000,
  interrupted: new AbortController().signal,
  say: () => undefined,
};

let store: OwnStore;

beforeAll(async () => {
  await ensurePrograms(
    [{ program: 'mariadb-binlog', debianPackage: 'mariadb-client' }],
    join(folder, 'log'),
    () => undefined,
  );
  store = await startOwnStore({
    ...mysql,
    async prepare(site, say) {
      await mysql.prepare(site, say);
      await appendFile(
        `${site.folder}/init.sql`,
        "CREATE OR REPLACE USER 'root'@'127.0.0.1' IDENTIFIED BY 'of-root';\n" +
          "GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;\n",
      );
    },
    command(site) {
      const { command, args } = mysql.command(site);
      return { command, args: [...args, ...serverOptions()] };
    },
  });
  makePrograms();
  await migrate({ url: urlOf('root', 'of-root') });
  const grants = readGrants(readFileSync(join(import.meta.dirname, 'grants.sql'), 'utf8'));
  const names = ['purchase', 'persist-order', 'migrate', 'backup'];
  const passwords = new Map(names.map((name) => [name, `of-${name}`]));
  await prepareUsers({ url: urlOf('root', 'of-root') }, grants, passwords, patience);
}, 60_000);

afterAll(async () => {
  await store.remove();
  await rm(folder, { recursive: true, force: true });
});

/** The binary logs as the StatefulSet has them. */
function serverOptions(): string[] {
  const manifest = readFileSync(join(import.meta.dirname, '200-statefulset-mysql.yaml'), 'utf8');
  return [...manifest.matchAll(/^ +- (--(?:log-bin|server-id|binlog-format)=\S+)$/gm)].map(
    ([, option = '']) => option,
  );
}

/** MySQL's programs by MariaDB's: where the two differ, as MySQL's are called by the scripts. */
function makePrograms(): void {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  mkdirSync(backups);
  mkdirSync(join(folder, 'scratch'));
  const program = (name: string, script: string) => {
    writeFileSync(join(bin, name), `#!/bin/bash\n${script}\n`, { mode: 0o755 });
  };
  const names = { mysql: 'mariadb', mysqldump: 'mariadb-dump', mysqladmin: 'mariadb-admin' };
  for (const [name, mariadb] of Object.entries({ ...names, mysqlbinlog: 'mariadb-binlog' })) {
    program(name, `exec ${findProgram(mariadb)} "$@"`);
  }
  const asRoot = process.getuid?.() === 0 ? '--user=root' : '';
  program(
    'mysqld',
    `if [[ " $* " == *' --initialize-insecure '* ]]; then
  exec ${findProgram('mariadb-install-db')} --no-defaults ${asRoot} --skip-test-db \\
    --auth-root-authentication-method=normal "\${@: -1}"
fi
exec ${findProgram('mariadbd')} "$@" ${asRoot}`,
  );
}

function urlOf(user: string, password: string): string {
  const url = new URL(store.address);
  url.username = user;
  url.password = password;
  return url.href;
}

/** Runs one of the scripts; resolves with what it says. */
async function run(
  script: string,
  password: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { hostname, port } = new URL(store.address);
  const { stdout } = await promisify(execFile)('bash', [join(import.meta.dirname, script)], {
    env: {
      PATH: `${join(folder, 'bin')}${delimiter}${process.env['PATH'] ?? ''}`,
      ...{ DATABASE_HOST: hostname, DATABASE_PORT: port, PASSWORD: password },
      ...{ BACKUPS: backups, SCRATCH: join(folder, 'scratch'), ...env },
    },
  });
  return stdout;
}

async function query(sql: string): Promise<RowDataPacket[]> {
  const connection = await createConnection({
    uri: urlOf('root', 'of-root'),
    multipleStatements: true,
  });
  try {
    const [rows] = await connection.query<RowDataPacket[]>(sql);
    return rows;
  } finally {
    await connection.end();
  }
}

const sell = (unit: number) =>
  query(`
    start transaction;
    insert into orders values ('phone.${unit}', 'phone', 'ann', 1, 'confirmed', null, 1, 'CNY', 'b',
      '2026-01-01', 1, ${unit}, '2026-01-01', '2026-01-01');
    insert into order_units values ('phone', ${unit}, 'phone.${unit}');
    update products set unsold = unsold - 1 where product_id = 'phone';
    commit`);
const ordersNow = async () => {
  const rows = await query('select order_id as id from orders order by order_id');
  return rows.map(({ id }) => id as unknown);
};
const productsNow = async () => {
  const rows = await query('select * from products order by product_id');
  return rows.map((row): unknown[] => [
    row['product_id'],
    row['stock'],
    row['unsold'],
    row['state'],
  ]);
};
const addProduct = (id: string, opensAt: string) =>
  query(`insert into products values ('${id}', 'A', 1, 'CNY', 5, 5, 1, 'on_sale', ${opensAt}, null,
    0, '2026-01-01')`);

test('a dump says where it was taken; what came after it is put on top, up to a mistake', async () => {
  await addProduct('phone', "'2026-01-01'");
  await sell(1);
  const kept = await run('backup.sh', 'of-backup');
  expect(kept).toMatch(/restored with 1 orders, \d+ bytes, taken at binlog\.\d{6}:\d+\n$/);
  await sell(2);
  await query('flush binary logs');
  await sell(3);
  await query('update products set stock = stock + 5, unsold = unsold + 5');
  await addProduct('later', "'2999-01-01'");
  const [place] = await query('show master status');
  await query('delete from order_units; delete from orders');
  await sell(4);

  const restored = await run('restore.sh', 'of-root');
  expect(restored).toContain('restored 1 orders, the last accepted at 2026-01-01');
  expect(await ordersNow()).toEqual(['phone.1']);
  // Nobody buys before an operator has looked.
  expect(await productsNow()).toEqual([['phone', 5, 4, 'paused']]);
  expect(await query('select generation from products')).toEqual([{ generation: 1 }]);

  const [, from = '', to = ''] = /FROM=(\S+) TO=(\S+) roll-forward\.sh/.exec(restored) ?? [];
  expect(kept).toContain(`taken at ${from}\n`);
  const until = { FROM: from, TO: `${String(place?.['File'])}:${String(place?.['Position'])}` };
  expect(await run('roll-forward.sh', 'of-root', until)).toContain('now 3 orders');
  expect(await ordersNow()).toEqual(['phone.1', 'phone.2', 'phone.3']);
  expect(await productsNow()).toEqual([
    ['later', 5, 5, 'on_sale'],
    ['phone', 10, 7, 'paused'],
  ]);

  // From the start again, and all of it: the restore itself is not in it.
  await run('restore.sh', 'of-root');
  await run('roll-forward.sh', 'of-root', { FROM: from, TO: to });
  expect(await ordersNow()).toEqual(['phone.4']);
}, 120_000);

test('nothing is put on top where a part of the binary logs is gone', async () => {
  const [name = ''] = readdirSync(backups);
  const gone = { FROM: 'binlog.000000:4', TO: 'binlog.000001' };
  const rolling = run('roll-forward.sh', 'of-root', gone);
  await expect(rolling).rejects.toThrow('has not all binary logs from binlog.000000');
  expect(name).toMatch(/^mysql-\d{8}T\d{6}Z\.sql\.gz$/);
  expect(await ordersNow()).toEqual(['phone.4']);
});
