// Stores that speak TLS and ask for users, for tests: each with the server's certificate of one
// authority, and clients' certificates believed where that authority signed them.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { choosePort } from '#knative/local/ports.ts';
import { etcd } from '#knative/local/stores/etcd.ts';
import { kafka } from '#knative/local/stores/kafka.ts';
import { kafkaJarsFolder } from '#knative/local/stores/kafka-jars.ts';
import { mysql } from '#knative/local/stores/mysql.ts';
import { findProgram } from '#knative/local/stores/programs.ts';
import { redis } from '#knative/local/stores/redis.ts';
import type { Store } from '#knative/local/stores/store.ts';
import type { Authority, KeyPair } from './certificates.ts';

/** Somebody listens: whether he answers whom is what the tests ask. */
async function listens(url: string): Promise<void> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  socket.destroy();
}

/** No other port than the encrypted one; a client needs a certificate. */
export function redisWithTls({ caFile }: Authority, { certFile, keyFile }: KeyPair): Store {
  return {
    ...redis,
    command(site) {
      const { command, args } = redis.command(site);
      const tls = ['--port', '0', '--tls-port', String(site.port), '--tls-ca-cert-file', caFile];
      const pair = ['--tls-cert-file', certFile, '--tls-key-file', keyFile];
      return { command, args: [...args, ...tls, ...pair] };
    },
    address: ({ port }) => `rediss://127.0.0.1:${port}`,
    check: listens,
  };
}

/** A client needs a certificate, whose name is its user. */
export function etcdWithTls({ caFile }: Authority, { certFile, keyFile }: KeyPair): Store {
  const address: Store['address'] = ({ port }) => `https://127.0.0.1:${port}`;
  return {
    ...etcd,
    command(site) {
      const { command, args } = etcd.command(site);
      const own = args.filter((arg) => !/^--(listen|advertise)-client-urls=/.test(arg));
      return {
        command,
        args: [
          ...own,
          `--listen-client-urls=${address(site)}`,
          `--advertise-client-urls=${address(site)}`,
          `--cert-file=${certFile}`,
          `--key-file=${keyFile}`,
          ...['--client-cert-auth', `--trusted-ca-file=${caFile}`],
        ],
      };
    },
    address,
    check: listens,
  };
}

/** The user `certified` needs TLS and a certificate; root is there, too, for further users. */
export function mysqlWithTls({ caFile }: Authority, { certFile, keyFile }: KeyPair): Store {
  return {
    ...mysql,
    async prepare(site, say) {
      await mysql.prepare(site, say);
      await appendFile(
        `${site.folder}/init.sql`,
        "CREATE OR REPLACE USER 'certified'@'127.0.0.1' IDENTIFIED BY 'of-a-test' REQUIRE X509;\n" +
          "GRANT ALL ON seckill.* TO 'certified'@'127.0.0.1';\n" +
          "CREATE OR REPLACE USER 'root'@'127.0.0.1' IDENTIFIED BY 'of-a-test';\n" +
          "GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;\n",
      );
    },
    command(site) {
      const { command, args } = mysql.command(site);
      const tls = [`--ssl-ca=${caFile}`, `--ssl-cert=${certFile}`, `--ssl-key=${keyFile}`];
      return { command, args: [...args, ...tls] };
    },
  };
}

export interface SecureKafka {
  readonly store: Store;
  /** Where clients sign in by TLS; the store's address is for its administrator, in plain text. */
  readonly broker: string;
}

/** Lets a user of `kafkaWithTls` sign in by SCRAM, too; `address` is the administrator's. */
export async function addScramUser(address: string, name: string, password: string): Promise<void> {
  const config = ['--alter', '--add-config', `SCRAM-SHA-512=[password=${password}]`];
  const user = ['--entity-type', 'users', '--entity-name', name];
  const program = ['-cp', `${kafkaJarsFolder()}/*`, 'kafka.admin.ConfigCommand'];
  const to = ['--bootstrap-server', address];
  await promisify(execFile)(findProgram('java'), [...program, ...to, ...config, ...user]);
}

/** Users by SASL PLAIN, and nobody but the administrator has rights that no ACL gives. */
export async function kafkaWithTls(
  { caFile }: Authority,
  { certFile, keyFile }: KeyPair,
  users: Readonly<Record<string, string>>,
): Promise<SecureKafka> {
  const port = await choosePort();
  const broker = `127.0.0.1:${port}`;
  const logins = Object.entries(users).map(([user, password]) => `user_${user}="${password}"`);
  const settings = [
    `ssl.keystore.type=PEM`,
    'ssl.truststore.type=PEM',
    `ssl.truststore.location=${caFile}`,
    'listener.security.protocol.map=CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL',
    'sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512',
    'listener.name.secure.scram-sha-512.sasl.jaas.config=' +
      'org.apache.kafka.common.security.scram.ScramLoginModule required;',
    `listener.name.secure.plain.sasl.jaas.config=${[
      'org.apache.kafka.common.security.plain.PlainLoginModule required',
      ...logins,
    ].join(' ')};`,
    'authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users=User:ANONYMOUS',
  ];
  return {
    broker,
    store: {
      ...kafka,
      async prepare(site, say) {
        await kafka.prepare(site, say);
        const file = `${site.folder}/server.properties`;
        const pem = `${site.folder}/server.pem`;
        await writeFile(
          pem,
          `${await readFile(keyFile, 'utf8')}${await readFile(certFile, 'utf8')}`,
        );
        const text = (await readFile(file, 'utf8'))
          .replace(/^(listeners=.*127.*)$/m, `$1,SECURE://${broker}`)
          .replace(/^(advertised\.listeners=.*)$/m, `$1,SECURE://${broker}`);
        const more = [...settings, `ssl.keystore.location=${pem}`];
        await writeFile(file, `${text}${more.join('\n')}\n`);
      },
    },
  };
}
