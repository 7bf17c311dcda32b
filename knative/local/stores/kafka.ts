// Kafka brokers that are their own controllers (KRaft), with the settings that their pods have
// (knative/stores/kafka), and as many copies of everything as there are brokers. Topics are only
// made on purpose.

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { fetchKafka, kafkaJarsFolder } from './kafka-jars.ts';
import { findProgram, runProgram } from './programs.ts';
import { checkTimeoutMs, type Store, type StoreSite } from './store.ts';

const quickJava = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto'];
const brokerJava = ['-Xmx512m', '-XX:+UseSerialGC'];
const podSettings = resolve(import.meta.dirname, '../../stores/kafka/server.properties');

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
    await writeFile(`${site.folder}/server.properties`, await properties(site, 'data'));
    if (!existsSync(`${site.folder}/data`)) await format(site);
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
async function format(site: StoreSite): Promise<void> {
  const { folder } = site;
  const temporary = `${folder}/format.properties`;
  await rm(`${folder}/data.new`, { recursive: true, force: true });
  await writeFile(temporary, await properties(site, 'data.new'));
  await runProgram(
    findProgram('java'),
    [
      ...quickJava,
      ...classPath(),
      'kafka.tools.StorageTool',
      'format',
      '-t',
      clusterId(site),
      '-c',
      temporary,
    ],
    `${folder}/log`,
  );
  await rm(temporary);
  await rename(`${folder}/data.new`, `${folder}/data`);
}

/** The same for all brokers of a runtime, by a secret of its own: a UUID as Kafka writes it. */
function clusterId({ password }: StoreSite): string {
  const id = createHash('sha256').update(`kafka ${password}`).digest().subarray(0, 16);
  // One that began with a dash would be taken for an option.
  id.writeUInt8(id.readUInt8() & 0x7f);
  return id.toString('base64url');
}

function classPath(): string[] {
  return [
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
    '-Dorg.slf4j.simpleLogger.showDateTime=true',
    '-cp',
    `${kafkaJarsFolder()}/*`,
  ];
}

async function properties(site: StoreSite, data: string): Promise<string> {
  const { folder, name, port, peerPort, members } = site;
  const copies = String(members.length);
  const acknowledged = String(Math.ceil((members.length + 1) / 2));
  const voters = members.map((one, index) => `${index + 1}@127.0.0.1:${one.peerPort}`);
  const own = {
    'node.id': String(members.findIndex((one) => one.name === name) + 1),
    'controller.quorum.voters': voters.join(','),
    listeners: `CLIENTS://127.0.0.1:${port},CONTROLLER://127.0.0.1:${peerPort}`,
    'advertised.listeners': `CLIENTS://127.0.0.1:${port}`,
    'log.dirs': `${folder}/${data}`,
    'default.replication.factor': copies,
    'min.insync.replicas': acknowledged,
    'offsets.topic.replication.factor': copies,
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': acknowledged,
    'share.coordinator.state.topic.replication.factor': copies,
    'share.coordinator.state.topic.min.isr': acknowledged,
    // Fewer than in a cluster, and nobody waits: this is one machine, and tests begin all the time.
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.num.partitions': '4',
    'group.initial.rebalance.delay.ms': '0',
  };
  const lines = Object.entries(own).map(([key, value]) => `${key}=${value}\n`);
  // Of a setting that is there twice, Java takes the later one.
  return `${await readFile(podSettings, 'utf8')}\n${lines.join('')}`;
}
