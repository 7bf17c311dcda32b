// Tests run side by side on the same stores; each takes names of its own, so that none meets
// another's products, topics or tables.

import { randomBytes } from 'node:crypto';
import { createConnection } from 'mysql2/promise';
import { createTopics } from '#knative/local/topics.ts';
import { readEnvironment } from '#lib/environment.ts';
import { kafkaAccessIn } from '#lib/kafka/access.ts';

/** Letters and digits that no other test has. */
export function uniqueName(prefix: string): string {
  return `${prefix}${randomBytes(6).toString('hex')}`;
}

/** A product id of this test's own. */
export function uniqueProductId(): string {
  return uniqueName('p-');
}

/** Makes a topic of this test's own and returns its name. */
export async function uniqueTopic(partitions: number): Promise<string> {
  const name = uniqueName('test.');
  await createTopics(kafkaAccessIn(), [{ name, partitions }]);
  return name;
}

/** Makes an empty database of this test's own and returns its URL. */
export async function uniqueDatabase(): Promise<string> {
  const { SECKILL_MYSQL_URL } = readEnvironment(['SECKILL_MYSQL_URL']);
  const url = new URL(SECKILL_MYSQL_URL);
  const name = uniqueName('seckill_');
  const connection = await createConnection({ uri: SECKILL_MYSQL_URL });
  await connection.query(`create database ${name} character set utf8mb4`);
  await connection.end();
  url.pathname = `/${name}`;
  return url.href;
}
