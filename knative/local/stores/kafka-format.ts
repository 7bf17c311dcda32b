// An empty data folder for a broker, as Kafka's StorageTool makes it: its ids, and the features that
// its cluster begins with. The features are of Kafka's release alone, so the tool, a JVM that takes
// seconds, runs once per machine; what it made lies beside the jars.

import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { classPath, kafkaJarsFolder } from './kafka-jars.ts';
import { findProgram, runProgram } from './programs.ts';

export interface Broker {
  /** `data` is made in it. */
  readonly folder: string;
  readonly nodeId: number;
  /** All brokers that have the same are of one cluster. */
  readonly password: string;
  readonly logFile: string;
}

const features = 'bootstrap.checkpoint';
const quickJava = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto'];

/** All or nothing: an interrupted first start leaves no half-made data folder behind. */
export async function format({ folder, nodeId, password, logFile }: Broker): Promise<void> {
  const unfinished = `${folder}/data.new`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  await copyFile(await featuresFile(logFile), join(unfinished, features));
  const ids = {
    version: '1',
    'cluster.id': uuid(createHash('sha256').update(`kafka ${password}`).digest()),
    'node.id': String(nodeId),
    'directory.id': uuid(randomBytes(16)),
  };
  const lines = Object.entries(ids).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(join(unfinished, 'meta.properties'), lines.join(''));
  await rename(unfinished, `${folder}/data`);
}

let making: Promise<string> | undefined;

/** Where they are, made where they are not there yet. */
function featuresFile(logFile: string): Promise<string> {
  const file = `${kafkaJarsFolder()}.${features}`;
  if (existsSync(file)) return Promise.resolve(file);
  making ??= makeFeatures(file, logFile).finally(() => {
    making = undefined;
  });
  return making;
}

async function makeFeatures(file: string, logFile: string): Promise<string> {
  const folder = await mkdtemp(`${file}.`);
  const properties = join(folder, 'server.properties');
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': '1@127.0.0.1:9093',
    'controller.listener.names': 'CONTROLLER',
    listeners: 'PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093',
    'log.dirs': join(folder, 'data'),
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  try {
    await writeFile(properties, lines.join(''));
    const tool = ['kafka.tools.StorageTool', 'format', '-t', uuid(randomBytes(16))];
    const args = [...quickJava, ...classPath(), ...tool, '-c', properties];
    await runProgram(findProgram('java'), args, logFile);
    await rename(join(folder, 'data', features), file);
    return file;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Of 16 bytes, as Kafka writes it; one that began with a dash would be taken for an option. */
function uuid(bytes: Buffer): string {
  const id = Buffer.from(bytes.subarray(0, 16));
  id.writeUInt8(id.readUInt8() & 0x7f);
  return id.toString('base64url');
}
