// One Kafka broker that is its own controller (KRaft). Topics are only made on purpose.

import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { Kafka, logLevel } from 'kafkajs';
import { choosePort } from '../ports.ts';
import { fetchKafka, kafkaJarsFolder } from './kafka-jars.ts';
import { findProgram, runProgram } from './programs.ts';
import { checkTimeoutMs, type Store, type StoreSite } from './store.ts';

const quickJava = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto'];
const brokerJava = ['-Xmx512m', '-XX:+UseSerialGC'];

export const kafka: Store = {
  name: 'kafka',
  variable: 'SECKILL_KAFKA_BROKERS',
  programs: [
    { program: 'java', debianPackage: 'default-jre-headless' },
    { program: 'mvn', debianPackage: 'maven' },
  ],
  needs: 'Kafka needs Java 17 or newer, and for its first start Maven Central.',

  async prepare(site, say) {
    await mkdir(site.folder, { recursive: true });
    await fetchKafka(`${site.folder}/log`, say);
    const controllerPort = await choosePort();
    await writeFile(`${site.folder}/server.properties`, properties(site, 'data', controllerPort));
    if (!existsSync(`${site.folder}/data`)) await format(site, controllerPort);
  },

  command({ folder }) {
    return {
      command: findProgram('java'),
      args: [...brokerJava, ...classPath(), 'kafka.Kafka', `${folder}/server.properties`],
    };
  },

  address: ({ port }) => `127.0.0.1:${port}`,

  async check(address) {
    const admin = new Kafka({
      clientId: 'seckill-local',
      brokers: address.split(',').map((broker) => broker.trim()),
      connectionTimeout: checkTimeoutMs,
      requestTimeout: checkTimeoutMs,
      retry: { retries: 0 },
      logLevel: logLevel.NOTHING,
    }).admin();
    try {
      await admin.connect();
      await admin.describeCluster();
    } finally {
      await admin.disconnect();
    }
  },
};

/** All or nothing: an interrupted first start leaves no half-made data folder behind. */
async function format(site: StoreSite, controllerPort: number): Promise<void> {
  const { folder } = site;
  const temporary = `${folder}/format.properties`;
  await rm(`${folder}/data.new`, { recursive: true, force: true });
  await writeFile(temporary, properties(site, 'data.new', controllerPort));
  await runProgram(
    findProgram('java'),
    [
      ...quickJava,
      ...classPath(),
      'kafka.tools.StorageTool',
      'format',
      '-t',
      clusterId(),
      '-c',
      temporary,
    ],
    `${folder}/log`,
  );
  await rm(temporary);
  await rename(`${folder}/data.new`, `${folder}/data`);
}

/** A UUID as Kafka writes it; one that began with a dash would be taken for an option. */
function clusterId(): string {
  const id = randomBytes(16).toString('base64url');
  return id.startsWith('-') ? clusterId() : id;
}

function classPath(): string[] {
  return [
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
    '-Dorg.slf4j.simpleLogger.showDateTime=true',
    '-cp',
    `${kafkaJarsFolder()}/*`,
  ];
}

function properties({ folder, port }: StoreSite, data: string, controllerPort: number): string {
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'log.dirs': `${folder}/${data}`,
    'auto.create.topics.enable': 'false',
    'group.initial.rebalance.delay.ms': '0',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '4',
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}
