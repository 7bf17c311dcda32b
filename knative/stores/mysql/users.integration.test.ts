import { appendFile } from 'node:fs/promises';
import { createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { mysql } from '#knative/local/stores/mysql.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { prepareUsers, readGrants } from './users.ts';

const patience = {
  waitMs: 30_000,
  interrupted: new AbortController().signal,
  say: () => undefined,
};
const passwords = new Map([
  ['reader', 'the-first-password'],
  ['maker', 'of-the-maker'],
]);
const grants = readGrants(`
-- Of a table that maker has yet to make.
GRANT SELECT ON seckill.things TO 'reader'@'%';
GRANT ALL ON seckill.* TO 'maker'@'%';
`);

let store: OwnStore;
let rootUrl: string;

beforeAll(async () => {
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
  });
  rootUrl = urlOf('root', 'of-root');
});

afterAll(async () => {
  await store.remove();
});

function urlOf(user: string, password: string): string {
  const url = new URL(store.address);
  url.username = user;
  url.password = password;
  return url.href;
}

async function query(user: string, password: string, sql: string): Promise<void> {
  const connection = await createConnection(urlOf(user, password));
  try {
    await connection.query(sql);
  } finally {
    await connection.end();
  }
}

test('users are there before the tables, their rights once the tables are', async () => {
  let waited = false;
  const prepared = prepareUsers({ url: rootUrl }, grants, passwords, {
    ...patience,
    say: () => {
      waited = true;
    },
  });
  await expect.poll(() => waited, { timeout: 20_000 }).toBe(true);
  await query('maker', 'of-the-maker', 'create table things (n int)');
  expect(await prepared).toEqual(['MySQL: reader has its rights', 'MySQL: maker has its rights']);

  await query('reader', 'the-first-password', 'select * from things');
  const insert = query('reader', 'the-first-password', 'insert into things values (1)');
  await expect(insert).rejects.toThrow(/denied/);
}, 60_000);

test('a repetition gives a user its new password', async () => {
  passwords.set('reader', 'the-second-password');
  await prepareUsers({ url: rootUrl }, grants, passwords, patience);
  await expect(query('reader', 'the-first-password', 'select 1')).rejects.toThrow(/denied/);
  await query('reader', 'the-second-password', 'select 1');
}, 60_000);

test('what is no grant, or names a user without a password, is refused', async () => {
  expect(() => readGrants('DROP DATABASE seckill;')).toThrow('not a GRANT');
  const stranger = readGrants("GRANT SELECT ON seckill.things TO 'stranger'@'%';");
  await expect(prepareUsers({ url: rootUrl }, stranger, passwords, patience)).rejects.toThrow(
    'no password for stranger',
  );
});
