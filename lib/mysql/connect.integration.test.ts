import { setTimeout as pause } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { mysql as mysqlStore } from '#knative/local/stores/mysql.ts';
import { readEnvironment } from '#lib/environment.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { connectMysql, type MysqlClient } from './connect.ts';
import { mysqlErrorOf } from './error.ts';

let store: OwnStore;
let client: MysqlClient;
beforeAll(async () => {
  store = await startOwnStore(mysqlStore);
  client = connectMysql({ url: store.address }, 2, { silenceMaxMs: 500 });
});
afterAll(async () => {
  await client.pool.end();
  await store.remove();
});

const one = () => client.db.execute(sql`select 1 as one`);

test('a statement without an answer fails in time, and the pool is as good as new afterwards', async () => {
  await one();
  store.freeze();
  const sentAt = performance.now();
  // More than there are connections: those who wait for one are not forgotten either.
  const results = await Promise.allSettled([one(), one(), one()]);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  expect(performance.now() - sentAt).toBeLessThan(6_000);
  store.thaw();
  await vi.waitFor(one, 10_000);
  await Promise.all([one(), one(), one(), one()]);
});

test('a transaction without an answer is rolled back, and leaves nothing locked', async () => {
  await client.db.execute(sql`create table if not exists t (id int primary key, value int)`);
  await client.db.execute(sql`replace into t values (1, 1)`);
  const hanging = client.db.transaction(async (transaction) => {
    await transaction.execute(sql`update t set value = 2 where id = 1`);
    store.freeze();
    // Long enough not to be answered on the way into the freeze: the commit would follow.
    await transaction.execute(sql`select sleep(1)`);
  });
  await expect(hanging).rejects.toThrow();
  store.thaw();
  await vi.waitFor(async () => {
    // Repeated where its answer was lost, and then without effect.
    await client.db.execute(sql`update t set value = value + 10 where id = 1 and value < 10`);
  }, 10_000);
  const [rows] = await client.pool.query('select value from t');
  expect(rows).toEqual([{ value: 11 }]);
});

test('an answer in time stays an answer, however many statements there were before', async () => {
  const connection = await client.pool.getConnection();
  for (let time = 0; time < 3; time += 1) {
    await connection.query('select sleep(0.2)');
    await pause(300);
  }
  connection.release();
  await pause(600);
  await one();
});

test('a long answer is no silence', async () => {
  // Each row is more than the server keeps before it sends.
  const [rows] = await client.pool.query(
    `select repeat('x', 100000), sleep(0.25) from
     (select 1 union select 2 union select 3 union select 4 union select 5) as numbers`,
  );
  expect(rows).toHaveLength(5);
});

test('who does not listen for a while does not blame the server', async () => {
  const connection = await client.pool.getConnection();
  const answer = connection.query('select 1');
  const until = performance.now() + 700;
  while (performance.now() < until);
  await answer;
  await pause(700);
  await connection.query('select 1');
  connection.release();
});

test('a statement that fails says why, and its connection is good', async () => {
  const wrong = client.db.execute(sql`select nonsense`);
  await expect(wrong).rejects.toSatisfy(
    (error) => mysqlErrorOf(error).code === 'ER_BAD_FIELD_ERROR',
  );
  await pause(600);
  await Promise.all([one(), one()]);
});

test('sessions are the same on every server, and end when nobody uses them', async () => {
  const { SECKILL_MYSQL_URL } = readEnvironment(['SECKILL_MYSQL_URL']);
  const shared = connectMysql({ url: SECKILL_MYSQL_URL }, 1);
  const [rows] = await shared.pool.query(
    'select @@wait_timeout as idle, @@innodb_lock_wait_timeout as wait',
  );
  expect(rows).toEqual([{ idle: 30, wait: 3 }]);
  await shared.pool.end();
});
