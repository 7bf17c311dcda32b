// KafkaSources and KafkaSinks: every default that would lose or repeat events is said otherwise.

import { parseDuration } from '#knative/local/source-runner/duration.ts';
import { sourceTimeoutMs } from '#lib/constants.ts';
import { consumerGroups, deadLetterTopics, ordersTopic } from '#lib/names.ts';
import { configMapData, isFunction, type Manifest, titleOf } from './manifest.ts';
import type { Rule } from './rule.ts';

interface Reference {
  readonly kind: string;
  readonly name: string;
}

interface Source extends Manifest {
  readonly spec: {
    readonly bootstrapServers: readonly string[];
    readonly topics: readonly string[];
    readonly consumerGroup?: string;
    readonly initialOffset?: string;
    readonly ordering?: string;
    readonly delivery?: {
      readonly retry?: number;
      readonly backoffPolicy?: string;
      readonly backoffDelay?: string;
      readonly timeout?: string;
      readonly deadLetterSink?: { readonly ref?: Reference };
    };
    readonly sink: { readonly ref?: Reference };
  };
}

interface Sink extends Manifest {
  readonly spec: {
    readonly topic: string;
    readonly bootstrapServers: readonly string[];
    readonly contentMode?: string;
  };
}

/** An outage of a store for so long costs no event its place (kafka-sources/README.md). */
const outageMs = 15 * 60_000;

const sourcesOf = (manifests: readonly Manifest[]) =>
  manifests.filter(({ kind }) => kind === 'KafkaSource') as Source[];
const sinksOf = (manifests: readonly Manifest[]) =>
  manifests.filter(({ kind }) => kind === 'KafkaSink') as Sink[];

const ofSources =
  (problem: (source: Source, manifests: readonly Manifest[]) => string | undefined) =>
  (manifests: readonly Manifest[]): readonly string[] =>
    sourcesOf(manifests).flatMap((source) => {
      const found = problem(source, manifests);
      return found === undefined ? [] : [`${titleOf(source)}: ${found}`];
    });

const durationMs = (text: string | undefined): number => {
  const duration = parseDuration(text ?? '');
  return 'ms' in duration ? duration.ms : 0;
};

export const sourceRules: readonly Rule[] = [
  {
    name: 'every sink has its source, with its own group and the topic of orders',
    check(manifests) {
      const sources = sourcesOf(manifests);
      return Object.entries(consumerGroups).flatMap(([name, group]) => {
        const source = sources.find(({ spec }) => spec.sink.ref?.name === name);
        if (source === undefined) return [`there is no KafkaSource for ${name}`];
        const { consumerGroup, topics } = source.spec;
        return [
          ...(consumerGroup === group
            ? []
            : [`${titleOf(source)}: consumerGroup is ${consumerGroup ?? 'random'}, not ${group}`]),
          ...(topics.join() === ordersTopic ? [] : [`${titleOf(source)}: not ${ordersTopic}`]),
        ];
      });
    },
  },
  {
    name: 'a source begins with the earliest event',
    check: ofSources(({ spec: { initialOffset = 'latest' } }) =>
      initialOffset === 'earliest' ? undefined : `initialOffset ${initialOffset} skips orders`,
    ),
  },
  {
    name: 'a source does not order',
    check: ofSources(({ spec: { ordering = 'ordered' } }) =>
      ordering === 'unordered' ? undefined : `ordering: ${ordering} delivers 250 events a second`,
    ),
  },
  {
    name: 'a source says its whole delivery: of one that is there, nothing has a default',
    check: ofSources(({ spec: { delivery = {} } }) => {
      const said = ['retry', 'backoffPolicy', 'backoffDelay', 'timeout', 'deadLetterSink'] as const;
      const missing = said.filter((field) => delivery[field] === undefined);
      return missing.length === 0 ? undefined : `delivery has no ${missing.join(', ')}`;
    }),
  },
  {
    name: 'a source waits for an answer as long as a sink takes, and no longer than it should',
    check: ofSources(({ spec: { delivery = {} } }) =>
      durationMs(delivery.timeout) === sourceTimeoutMs
        ? undefined
        : `delivery.timeout ${delivery.timeout ?? 'of 10 minutes'} is not ${sourceTimeoutMs} ms`,
    ),
  },
  {
    name: 'retries outlast an outage of a store',
    check: ofSources(({ spec: { delivery = {} } }) => {
      const { retry = 0, backoffPolicy, backoffDelay } = delivery;
      const tries = Array.from({ length: Math.min(retry, 1_000) }, (_, index) => index + 1);
      const factor = (n: number) => (backoffPolicy === 'linear' ? n : 2 ** n);
      const waitedMs = tries.reduce((sum, n) => sum + durationMs(backoffDelay) * factor(n), 0);
      if (waitedMs < outageMs) return `retries end after ${waitedMs / 1_000} s`;
      return backoffPolicy === 'linear'
        ? undefined
        : 'an exponential back-off ends in waits of hours, long after the outage';
    }),
  },
  {
    name: 'what a source delivers to is there, its dead letters in a topic',
    check: ofSources(({ spec }, manifests) => {
      const dead = spec.delivery?.deadLetterSink?.ref;
      const has = (sink: Reference | undefined) =>
        manifests.some(({ kind, metadata }) => kind === sink?.kind && metadata.name === sink.name);
      if (!manifests.some((one) => isFunction(one) && one.metadata.name === spec.sink.ref?.name)) {
        return `there is no sink ${spec.sink.ref?.name ?? ''}`;
      }
      if (dead?.kind !== 'KafkaSink') return 'only a KafkaSink takes every dead letter';
      return has(dead) ? undefined : `there is no KafkaSink ${dead.name}`;
    }),
  },
  {
    name: 'dead letters stay the event itself, in the topic that they are replayed from',
    check(manifests) {
      const sinks = sinksOf(manifests);
      return [
        ...sinks
          .filter(({ spec }) => spec.contentMode !== 'binary')
          .map((sink) => `${titleOf(sink)}: contentMode is not binary`),
        ...sourcesOf(manifests).flatMap(({ metadata, spec }) => {
          const sink = sinks.find(
            (one) => one.metadata.name === spec.delivery?.deadLetterSink?.ref?.name,
          );
          const topic = (deadLetterTopics as Readonly<Record<string, string>>)[metadata.name];
          if (sink === undefined || sink.spec.topic === topic) return [];
          return [`${titleOf(sink)}: its topic is not ${topic ?? 'known'}`];
        }),
      ];
    },
  },
  {
    name: 'sources, sinks and functions use the same Kafka',
    check(manifests) {
      const brokers = configMapData(manifests, 'seckill')?.['SECKILL_KAFKA_BROKERS'];
      return [...sourcesOf(manifests), ...sinksOf(manifests)]
        .filter(({ spec }) => spec.bootstrapServers.join() !== brokers)
        .map((one) => `${titleOf(one)}: its bootstrapServers are not SECKILL_KAFKA_BROKERS`);
    },
  },
  {
    name: 'nothing wakes an idle system',
    check: (manifests) =>
      manifests
        .filter(({ kind }) => kind === 'PingSource')
        .map((one) => `${titleOf(one)}: kn-seckill makes the tick, for as long as a sale is on`),
  },
];
