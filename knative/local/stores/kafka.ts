// Kafka brokers that are their own controllers (KRaft), with the settings that their pods have
// (knative/stores/kafka), and as many copies of everything as there are brokers. Topics are only
// made on purpose.

import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { format } from './kafka-format.ts';
import { classPath, fetchKafka } from './kafka-jars.ts';
import { findProgram } from './programs.ts';
import { checkTimeoutMs, type Store, type StoreSite } from './store.ts';

/**
 * The quick compiler alone: here a broker lives for minutes, in which the thorough one costs more
 * than it brings (half of the broker's time in its first half a minute of sends).
 */
const brokerJava = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];
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
    await writeFile(`${site.folder}/server.properties`, await properties(site));
    if (!existsSync(`${site.folder}/data`)) {
      const nodeId = indexOf(site) + 1;
      await format({ ...site, nodeId, logFile: `${site.folder}/log` });
    }
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

function indexOf({ name, members }: StoreSite): number {
  return members.findIndex((one) => one.name === name);
}

async function properties(site: StoreSite): Promise<string> {
  const { folder, port, peerPort, members } = site;
  const copies = String(members.length);
  const acknowledged = String(Math.ceil((members.length + 1) / 2));
  const voters = members.map((one, index) => `${index + 1}@127.0.0.1:${one.peerPort}`);
  const own = {
    'node.id': String(indexOf(site) + 1),
    'controller.quorum.voters': voters.join(','),
    listeners: `CLIENTS://127.0.0.1:${port},CONTROLLER://127.0.0.1:${peerPort}`,
    'advertised.listeners': `CLIENTS://127.0.0.1:${port}`,
    'log.dirs': `${folder}/data`,
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
