// How Kafka is reached: where, with TLS or without, as whom. Everything that connects to Kafka
// takes this, so that nothing can forget a part of it.

import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ISocketFactoryArgs, KafkaConfig, SASLOptions } from 'kafkajs';
import { type Environment, kafkaNames, readEnvironment } from '#lib/environment.ts';
import type { LiveTls } from '#lib/tls/live-tls.ts';
import { tlsOf } from '#lib/tls/tls-of.ts';
import './request-queue.ts';

export interface KafkaAccess {
  /** `host:port`, some of the cluster's. */
  readonly brokers: readonly string[];
  /** Without it, connections are not encrypted. */
  readonly tls?: LiveTls;
  readonly sasl?: SASLOptions;
}

/** As the environment says it. Throws with what does not fit. */
export function kafkaAccessOf(
  environment: Pick<Environment, (typeof kafkaNames)[number]>,
): KafkaAccess {
  const isOn = environment.SECKILL_KAFKA_TLS === 'on';
  const tls = tlsOf('KAFKA', environment, { isOn, by: 'SECKILL_KAFKA_TLS=on' });
  const sasl = saslOf(environment);
  return {
    brokers: environment.SECKILL_KAFKA_BROKERS,
    ...(tls === undefined ? {} : { tls }),
    ...(sasl === undefined ? {} : { sasl }),
  };
}

/** The same, of these variables. Throws with what is missing or does not fit. */
export function kafkaAccessIn(
  source: Readonly<Record<string, string | undefined>> = process.env,
): KafkaAccess {
  return kafkaAccessOf(readEnvironment(kafkaNames, source));
}

type SaslEnvironment = Pick<
  Environment,
  'SECKILL_KAFKA_SASL_MECHANISM' | 'SECKILL_KAFKA_USERNAME' | 'SECKILL_KAFKA_PASSWORD'
>;

function saslOf(environment: SaslEnvironment): SASLOptions | undefined {
  const {
    SECKILL_KAFKA_SASL_MECHANISM: mechanism,
    SECKILL_KAFKA_USERNAME: username,
    SECKILL_KAFKA_PASSWORD: password,
  } = environment;
  if (mechanism === undefined && username === undefined && password === undefined) return undefined;
  if (mechanism === undefined || username === undefined || password === undefined) {
    throw new Error(
      'SECKILL_KAFKA_SASL_MECHANISM, SECKILL_KAFKA_USERNAME and SECKILL_KAFKA_PASSWORD ' +
        'are set together, or none of them',
    );
  }
  const credentials = { username, password };
  switch (mechanism) {
    case 'PLAIN':
      return { mechanism: 'plain', ...credentials };
    case 'SCRAM-SHA-256':
      return { mechanism: 'scram-sha-256', ...credentials };
    case 'SCRAM-SHA-512':
      return { mechanism: 'scram-sha-512', ...credentials };
  }
}

/** What kafkajs must be told of it; the rest of its options is the caller's. */
export function kafkaConfigOf({ brokers, tls, sasl }: KafkaAccess) {
  return {
    brokers: [...brokers],
    ...(tls === undefined ? {} : { ssl: tls }),
    ...(sasl === undefined ? {} : { sasl }),
  } satisfies Partial<KafkaConfig>;
}

/** For those who make sockets of their own: what kafkajs would make, without Nagle's delay. */
export function connectSocket({ host, port, ssl, onConnect }: ISocketFactoryArgs): Socket {
  const address = { host, port, noDelay: true, keepAlive: true };
  // kafkajs passes none where its types promise some.
  if (!(ssl as ISocketFactoryArgs['ssl'] | undefined)) return connect(address, onConnect);
  const name = isIP(host) ? {} : { servername: host };
  return connectTls({ ...address, ...name, ...ssl }, onConnect);
}
