// Brings stores into the shape that the functions need. The overlays' Jobs run these commands; who
// brings stores of their own may. Each can be repeated at any time, during a sale, too.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import {
  durationOption,
  type Invocation,
  type Io,
  invocation,
  wholeNumber,
  withOutput,
} from '#knative/plugin/command.ts';
import { etcdNames, readEnvironment } from '#lib/environment.ts';
import { etcdAccessOf } from '#lib/etcd/access.ts';
import { kafkaAccessIn } from '#lib/kafka/access.ts';
import { mysqlAccessIn } from '#lib/mysql/access.ts';
import type { Patience } from './wait.ts';

interface Options {
  readonly wait: number;
}

interface TopicsOptions extends Options {
  readonly file: string;
  readonly copiesMax: number;
}

/** The commands; what they need is loaded only when one is called. */
export function createProgram(io: Io): Command {
  const stores = new Command('stores').description(
    'Brings stores into the shape that the functions need; safe to repeat. Where they are is ' +
      'said by the same environment as for the functions, with an administrator’s user.',
  );
  addTopics(stores, io);
  addRedis(stores, io);
  addEtcd(stores, io);
  addMysql(stores, io);
  return stores;
}

function addTopics(stores: Command, io: Io): void {
  const command = stores
    .command('topics')
    .summary('make Kafka’s topics, and give them their settings')
    .requiredOption('--file <file>', 'the list of topics (kafka-sources/topics.yaml)')
    .option('--copies-max <n>', 'on a Kafka of fewer brokers', wholeNumber(1, 99), 99);
  withWait(command).action(async ({ file, copiesMax, wait }: TopicsOptions, self: Command) => {
    const { prepareTopics, readTopics } = await import('./kafka/topics.ts');
    const given = invocation(self, io);
    const kafka = kafkaAccessIn(io.env);
    const wanted = readTopics(readFileSync(file, 'utf8'), copiesMax);
    tell(given, await prepareTopics(kafka, wanted, patience(given, wait)));
  });
}

function addRedis(stores: Command, io: Io): void {
  const command = stores
    .command('redis')
    .summary('make one Redis Cluster of the nodes in SECKILL_REDIS_URL, or mend it')
    .option('--replicas <n>', 'of each master', wholeNumber(0, 5), 1);
  withWait(command).action(
    async ({ replicas, wait }: Options & { replicas: number }, self: Command) => {
      const { prepareCluster } = await import('./redis/cluster.ts');
      const given = invocation(self, io);
      const { SECKILL_REDIS_URL } = readEnvironment(['SECKILL_REDIS_URL'], io.env);
      tell(given, await prepareCluster(SECKILL_REDIS_URL, replicas, patience(given, wait)));
    },
  );
}

function addEtcd(stores: Command, io: Io): void {
  const command = stores
    .command('etcd')
    .summary('make etcd’s users and roles, and let in nobody else')
    .requiredOption('--roles <file>', 'roles and who has them')
    .requiredOption('--passwords <folder>', 'a file for each user, root among them');
  withWait(command).action(
    async (options: Options & { roles: string; passwords: string }, self: Command) => {
      const { prepareUsers, readRoles } = await import('./etcd/users.ts');
      const given = invocation(self, io);
      const etcd = etcdAccessOf(readEnvironment(etcdNames, io.env));
      const rights = readRoles(readFileSync(options.roles, 'utf8'));
      const passwords = readPasswords(options.passwords);
      const patient = patience(given, options.wait);
      tell(given, await prepareUsers(etcd, rights, passwords, patient));
    },
  );
}

function addMysql(stores: Command, io: Io): void {
  const command = stores
    .command('mysql')
    .summary('make MySQL’s users with just their rights')
    .requiredOption('--grants <file>', 'GRANT statements')
    .requiredOption('--passwords <folder>', 'a file for each user');
  withWait(command).action(
    async (options: Options & { grants: string; passwords: string }, self: Command) => {
      const { prepareUsers, readGrants } = await import('./mysql/users.ts');
      const given = invocation(self, io);
      const mysql = mysqlAccessIn(io.env);
      const grants = readGrants(readFileSync(options.grants, 'utf8'));
      const passwords = readPasswords(options.passwords);
      const patient = patience(given, options.wait);
      tell(given, await prepareUsers(mysql, grants, passwords, patient));
    },
  );
}

function withWait(command: Command): Command {
  return withOutput(command).addOption(
    durationOption('--wait <duration>', 'for a store that is starting', '10m'),
  );
}

function patience(given: Invocation, waitMs: number): Patience {
  return {
    waitMs,
    interrupted: given.io.interrupted,
    say: (text) => {
      given.say(text);
    },
  };
}

function tell(given: Invocation, done: readonly string[]): void {
  given.print({ ok: true, done }, () => done.map((line) => `${line}\n`).join(''));
}

/** The files of a mounted Secret, by user; Kubernetes' own links among them begin with a dot. */
function readPasswords(folder: string): ReadonlyMap<string, string> {
  const users = readdirSync(folder).filter((name) => !name.startsWith('.'));
  return new Map(users.map((name) => [name, readFileSync(join(folder, name), 'utf8').trim()]));
}
