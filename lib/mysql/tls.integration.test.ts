// MySQL by TLS: who is believed, what is said when somebody is not, and an authority that changes
// under a running pool.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RowDataPacket } from 'mysql2';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { migrate } from '#functions/persist-order/migrate.ts';
import { createAuthority } from '#lib/testing/certificates.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { mysqlWithTls } from '#lib/testing/tls-stores.ts';
import { hintOf } from '#lib/tls/hint.ts';
import { mysqlAccessIn } from './access.ts';
import { connectMysql } from './connect.ts';

const folder = mkdtempSync(join(tmpdir(), 'seckill-mysql-tls-'));
const authority = createAuthority(folder);
const server = authority.issue('server');
const ours = authority.issue('ours');
const closers: (() => Promise<void>)[] = [];
let store: OwnStore;

beforeAll(async () => {
  store = await startOwnStore(mysqlWithTls(authority, server));
}, 60_000);

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

afterAll(async () => {
  await store.remove();
  rmSync(folder, { recursive: true });
});

function accessOf(more: Readonly<Record<string, string>> = {}) {
  const url = new URL(store.address);
  url.username = 'certified';
  return mysqlAccessIn({
    SECKILL_MYSQL_URL: url.href,
    SECKILL_MYSQL_TLS: 'on',
    SECKILL_MYSQL_CA_FILE: authority.caFile,
    SECKILL_MYSQL_CERT_FILE: ours.certFile,
    SECKILL_MYSQL_KEY_FILE: ours.keyFile,
    ...more,
  });
}

function connect(more: Readonly<Record<string, string>> = {}) {
  const { pool } = connectMysql(accessOf(more), 2);
  closers.push(() => pool.end());
  return pool;
}

const hintFrom = (more: Readonly<Record<string, string>>) =>
  connect(more)
    .query('select 1')
    .then(
      () => undefined,
      (error: unknown) => hintOf(error) ?? String(error),
    );

test('it is encrypted, for the migration, too', async () => {
  const [rows] = await connect().query<RowDataPacket[]>("show status like 'Ssl_cipher'");
  expect(rows[0]?.['Value']).toMatch(/./);
  await migrate(accessOf());
});

test('who is not believed, and who does not believe us: each is told', async () => {
  const stranger = createAuthority(join(folder, 'stranger'));
  expect(await hintFrom({ SECKILL_MYSQL_CA_FILE: stranger.caFile })).toMatch(/signed by nobody/);
  const elsewhere = accessOf().url.replace('127.0.0.1', '127.0.0.2');
  expect(await hintFrom({ SECKILL_MYSQL_URL: elsewhere })).toMatch(/another name|ECONNREFUSED/);
  const wrong = new URL(accessOf().url);
  wrong.password = 'wrong';
  expect(await hintFrom({ SECKILL_MYSQL_URL: wrong.href })).toMatch(/user or password is wrong/);
});

test('certificates change under a running pool', async () => {
  const pool = connect();
  await pool.query('select 1');
  await store.stop();
  createAuthority(folder);
  authority.issue('server');
  authority.issue('ours');
  await store.start();
  await vi.waitFor(() => pool.query('select 1'), 15_000);

  await store.stop();
  authority.issue('server', { expired: true });
  await store.start();
  await expect.poll(() => hintFrom({}), { timeout: 15_000 }).toMatch(/has expired/);
});
