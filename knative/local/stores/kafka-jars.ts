// Kafka's jars, fetched once per machine from Maven Central into the user's cache folder, where
// every checkout finds them. The folder is complete or not there.

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { findProgram, runProgram } from './programs.ts';

const kafkaVersion = '4.1.0';
const copyDependencies = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';

// slf4j-simple: Kafka brings slf4j's interface but nothing that writes a line.
const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>seckill</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>${kafkaVersion}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
`;

/** Where the jars are once `fetchKafka` has resolved. */
export function kafkaJarsFolder(): string {
  const cache = process.env.XDG_CACHE_HOME ?? '';
  return join(cache === '' ? join(homedir(), '.cache') : cache, 'seckill', `kafka-${kafkaVersion}`);
}

/** How Java finds them, and what they log: warnings. */
export function classPath(): string[] {
  return [
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
    '-Dorg.slf4j.simpleLogger.showDateTime=true',
    '-cp',
    `${kafkaJarsFolder()}/*`,
  ];
}

/** Downloads the jars unless they are there. Rejects with Maven's last words. */
export async function fetchKafka(logFile: string, say: (text: string) => void): Promise<void> {
  const folder = kafkaJarsFolder();
  if (existsSync(folder)) return;
  say(`downloading Kafka ${kafkaVersion} from Maven Central (43 MB, once) …`);
  const parent = join(folder, '..');
  await mkdir(parent, { recursive: true });
  const unfinished = await mkdtemp(`${folder}.`);
  try {
    await writeFile(join(unfinished, 'pom.xml'), pom);
    await runProgram(
      findProgram('mvn'),
      [
        '--batch-mode',
        `--file=${join(unfinished, 'pom.xml')}`,
        copyDependencies,
        '-DincludeScope=runtime',
        `-DoutputDirectory=${join(unfinished, 'jars')}`,
      ],
      logFile,
    );
    await rename(join(unfinished, 'jars'), folder).catch((error: unknown) => {
      // Another start was quicker; its jars are as good.
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}
