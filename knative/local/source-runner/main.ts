// The source runner: delivers Kafka records to the functions as Knative's KafkaSource dispatcher
// does. Usage: node main.ts [folder of manifests]

import { kafkaNames, readEnvironment } from '#lib/environment.ts';
import { close, createReadiness, listen, onTermination } from '#lib/http/serve.ts';
import { kafkaAccessOf } from '#lib/kafka/access.ts';
import { run } from '#lib/run.ts';
import { createLog, type Log } from '#lib/telemetry/log.ts';
import { choosePort } from '../ports.ts';
import { createApp, type SourceReport } from './app.ts';
import { inFlightDeadlineMs, kafkaSinkSendTimeoutMs } from './constants.ts';
import { type Dispatcher, startDispatcher } from './dispatcher.ts';
import { createKafka, createRecordWriter, type KafkaClient } from './kafka.ts';
import { createKafkaSinks } from './kafka-sink.ts';
import { readManifests, type SourceManifest } from './manifest.ts';

interface RunningSource {
  readonly source: SourceManifest;
  /** Undefined where the source is scaled to zero. */
  readonly dispatcher: Dispatcher | undefined;
}

async function main(): Promise<void> {
  const env = readEnvironment([...kafkaNames, 'SECKILL_LOG_LEVEL', 'SECKILL_HOST', 'PORT']);
  const port = env.PORT === 0 ? await choosePort() : env.PORT;
  const { sources, sinks } = await readManifests(process.argv[2] ?? 'kafka-sources', {
    kafkaSinksUrl: `http://127.0.0.1:${port}`,
    environment: process.env,
  });
  const log = createLog('source-runner', env.SECKILL_LOG_LEVEL);
  const kafka = createKafka(kafkaAccessOf(env), log);
  const writer = createRecordWriter(kafka, kafkaSinkSendTimeoutMs);
  const readiness = createReadiness();
  const running: RunningSource[] = [];
  const app = createApp({
    readiness,
    reports: () => running.map(report),
    kafkaSinks: createKafkaSinks(sinks, writer, log),
  });
  // The sinks answer before anything is consumed that may end in them.
  const { server } = await listen(app, { host: env.SECKILL_HOST, port, log });
  running.push(...sources.map((source) => start(source, kafka, log)));
  onTermination(log, async () => {
    readiness.drain();
    // The server stays until the sources are done: a dead letter may be on its way to it.
    await Promise.all(running.map(async (one) => one.dispatcher?.stop(inFlightDeadlineMs)));
    await Promise.all([close(server), writer.close()]);
  });
}

function start(source: SourceManifest, kafka: KafkaClient, log: Log): RunningSource {
  const own = log.child({ source: source.name, group: source.consumerGroup });
  if (source.consumers > 0) return { source, dispatcher: startDispatcher(source, kafka, own) };
  own.warn('scaled to zero: nothing is delivered');
  return { source, dispatcher: undefined };
}

function report({ source, dispatcher }: RunningSource): SourceReport {
  const { namespace, name, consumerGroup, topics, ordering, consumers, sinkUrl } = source;
  const idle = { delivered: 0, retried: 0, deadLettered: 0, dropped: 0 };
  return {
    ...{ namespace, name, consumerGroup, topics, ordering, consumers, sinkUrl },
    hasJoined: dispatcher?.hasJoined() ?? true,
    ...(dispatcher?.status() ?? { ...idle, partitions: 0, inFlight: 0, buffered: 0, lag: 0 }),
  };
}

run('source-runner', main);
