import type { RowDataPacket } from 'mysql2/promise';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { readEnvironment } from '#lib/environment.ts';
import { connectMysql } from '#lib/mysql/connect.ts';
import type { Contention } from '#lib/mysql/contention.ts';
import { mysqlErrorOf } from '#lib/mysql/error.ts';
import { uniqueName } from '#lib/testing/unique.ts';
import { DeadlineExceeded, withConnection } from './transaction.ts';

const { SECKILL_MYSQL_URL } = readEnvironment(['SECKILL_MYSQL_URL']);
const { pool } = connectMysql({ url: SECKILL_MYSQL_URL }, 3);
const table = uniqueName('counters_');

beforeAll(async () => {
  await pool.query(`create table ${table} (id int primary key, n int not null)`);
  await pool.query(`insert into ${table} values (1, 0), (2, 0)`);
});
afterAll(async () => {
  await pool.query(`drop table ${table}`);
  await pool.end();
});

const within = (deadlineMs: number) => ({
  deadline: performance.now() + deadlineMs,
  onRetry: (reason: Contention) => {
    retries.push(reason);
  },
});
const retries: Contention[] = [];
beforeEach(() => {
  retries.length = 0;
});

async function counters(): Promise<number[]> {
  const [rows] = await pool.query<RowDataPacket[]>(`select n from ${table} order by id`);
  return rows.map(({ n }) => Number(n));
}

test('two that deadlock both come through, each once', async () => {
  const before = await counters();
  let waiting = 0;
  let attempts = 0;
  let bothHold: () => void = () => undefined;
  const both = new Promise<void>((resolve) => {
    bothHold = resolve;
  });
  const raise = (first: number, second: number) =>
    withConnection(pool, within(5_000), async (connection) => {
      attempts += 1;
      await connection.beginTransaction();
      await connection.query(`update ${table} set n = n + 1 where id = ${first}`);
      waiting += 1;
      if (waiting === 2) bothHold();
      await both;
      await connection.query(`update ${table} set n = n + 1 where id = ${second}`);
      await connection.commit();
    });
  await Promise.all([raise(1, 2), raise(2, 1)]);
  expect(attempts).toBe(3);
  expect(retries).toEqual(['deadlock']);
  expect(await counters()).toEqual(before.map((n) => n + 2));
});

test('who does not get a row’s lock before the deadline fails, and changes nothing', async () => {
  const before = await counters();
  const holder = await pool.getConnection();
  await holder.beginTransaction();
  await holder.query(`select * from ${table} for update`);
  const startedAt = performance.now();
  const failed = withConnection(pool, within(300), async (connection) => {
    await connection.beginTransaction();
    await connection.query(`update ${table} set n = n + 1`);
    await connection.commit();
  });
  await expect(failed).rejects.toThrow(DeadlineExceeded);
  expect(performance.now() - startedAt).toBeLessThan(2_000);
  await holder.rollback();
  holder.release();
  expect(await counters()).toEqual(before);
});

test('an error is passed on at once, its transaction rolled back, its connection replaced', async () => {
  const before = await counters();
  for (let attempt = 0; attempt < 5; attempt += 1) {
    let attempts = 0;
    const failed = withConnection(pool, within(5_000), async (connection) => {
      attempts += 1;
      await connection.beginTransaction();
      await connection.query(`update ${table} set n = 99`);
      await connection.query(`insert into ${table} values (1, 0)`);
    });
    const error: unknown = await failed.catch((caught: unknown) => caught);
    expect(mysqlErrorOf(error).code).toBe('ER_DUP_ENTRY');
    expect(attempts).toBe(1);
  }
  await expect.poll(counters).toEqual(before);
});
