// Every environment variable of the functions, read in one place. A function names the ones it
// needs; one that is missing or malformed stops the start with a message that says what to set.

import { hostname } from 'node:os';
import * as z from 'zod';
import { metricsPortByDefault, tracedShareByDefault } from '#lib/constants.ts';
import { parseNetworks } from '#lib/http/networks.ts';
import { isSecureUrl } from '#lib/http/secure-url.ts';

const listOf = (what: string) =>
  z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim()))
    .refine((parts) => parts.every((part) => part !== ''), `a comma-separated list of ${what}`);
/** An address, a network or the word `private`, each; none where it is not set. */
const networks = listOf('addresses and networks')
  .default([])
  .transform((entries, context) => {
    try {
      return parseNetworks(entries);
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message });
      return z.NEVER;
    }
  });
/** https, or http on this same machine. */
const secureUrl = z.url({ protocol: /^https?$/ }).refine(isSecureUrl, 'must be https');
const port = z.coerce.number().int().min(0).max(65_535);
/** Keys for HMAC are at least 32 characters: there is no default key outside the local runtime. */
const key = z.string().min(32, 'at least 32 characters');

/** A PEM file, read again for every connection: mount a Secret, and rotate it as you like. */
const pemFile = z.string().min(1).optional();
const given = z.string().min(1).optional();
const onOrOff = z.enum(['on', 'off']).default('off');

const variables = {
  /**
   * One URL, or several comma-separated ones: a Redis Cluster. `redis://`, or `rediss://` for TLS;
   * user and password are in the URL, of a Cluster's nodes the same in each.
   */
  SECKILL_REDIS_URL: listOf('redis:// URLs'),
  SECKILL_REDIS_CA_FILE: pemFile,
  SECKILL_REDIS_CERT_FILE: pemFile,
  SECKILL_REDIS_KEY_FILE: pemFile,
  /** What the servers' certificates are for, where a Cluster's nodes are known by address only. */
  SECKILL_REDIS_TLS_SERVER_NAME: given,
  /** `http://`, or `https://` for TLS; with a client certificate, its name is the user. */
  SECKILL_ETCD_ENDPOINTS: listOf('http:// URLs'),
  SECKILL_ETCD_CA_FILE: pemFile,
  SECKILL_ETCD_CERT_FILE: pemFile,
  SECKILL_ETCD_KEY_FILE: pemFile,
  SECKILL_ETCD_USERNAME: given,
  SECKILL_ETCD_PASSWORD: given,
  SECKILL_KAFKA_BROKERS: listOf('host:port'),
  SECKILL_KAFKA_TLS: onOrOff,
  SECKILL_KAFKA_CA_FILE: pemFile,
  SECKILL_KAFKA_CERT_FILE: pemFile,
  SECKILL_KAFKA_KEY_FILE: pemFile,
  SECKILL_KAFKA_SASL_MECHANISM: z.enum(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']).optional(),
  SECKILL_KAFKA_USERNAME: given,
  SECKILL_KAFKA_PASSWORD: given,
  /** User, password and database are in it. */
  SECKILL_MYSQL_URL: z.url({ protocol: /^mysql$/ }),
  SECKILL_MYSQL_TLS: onOrOff,
  SECKILL_MYSQL_CA_FILE: pemFile,
  SECKILL_MYSQL_CERT_FILE: pemFile,
  SECKILL_MYSQL_KEY_FILE: pemFile,
  SECKILL_PURCHASE_URL: z.url({ protocol: /^https?$/ }),
  /** Identity: a key for HS256, or the URL of a JWKS; exactly one of the two. */
  SECKILL_JWT_KEY: key.optional(),
  SECKILL_JWT_JWKS_URL: z.url({ protocol: /^https?$/ }).optional(),
  SECKILL_JWT_ISSUER: z.string().min(1).default('seckill'),
  SECKILL_JWT_AUDIENCE: z.string().min(1).default('seckill'),
  /** Where the page's buyers sign in, as which client, for what; see ratelimit-edge/IDENTITY.md. */
  SECKILL_OIDC_ISSUER: secureUrl.optional(),
  SECKILL_OIDC_CLIENT_ID: z.string().min(1).optional(),
  SECKILL_OIDC_SCOPE: z
    .string()
    .refine((scope) => scope.split(' ').includes('openid'), 'must contain openid')
    .default('openid'),
  SECKILL_OIDC_RESOURCE: z.string().min(1).optional(),
  SECKILL_OIDC_AUDIENCE: z.string().min(1).optional(),
  /** How long browsers insist on TLS; for a shop that has it. 0: nothing is said of it. */
  SECKILL_HSTS_MAX_AGE_SECONDS: z.coerce.number().int().min(0).default(0),
  /** Trust between the functions: the first key signs, all verify (two during a rotation). */
  SECKILL_SIGNING_KEYS: listOf('keys').pipe(z.array(key).min(1).max(2)),
  /** Names on leaderboards are made with it; changing it renames everybody. */
  SECKILL_PSEUDONYM_KEY: key,
  /** Where `purchase` keeps its write-ahead record; outlives a restart of the container. */
  SECKILL_STATE_DIR: z.string().min(1),
  /** Whose X-Forwarded-For is believed: addresses, networks (CIDR), `private`; else nobody's. */
  SECKILL_TRUSTED_PROXIES: networks,
  /** The base URL of an OTLP/HTTP receiver of traces; without one there are none. */
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  /** `name=value,…`, for a receiver that asks who we are; the exporter reads it itself. */
  OTEL_EXPORTER_OTLP_HEADERS: given,
  /** Which share of purchases is traced, 0 to 1, besides those whose callers trace them. */
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).default(tracedShareByDefault),
  SECKILL_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  SECKILL_METRICS_PORT: port.default(metricsPortByDefault),
  /** Prometheus' remote write receiver: gets what is counted before and after all scrapes. */
  SECKILL_METRICS_PUSH_URL: z.url({ protocol: /^https?$/ }).optional(),
  /** The `instance` label of the scrape, where it is not the host's name (in a cluster: the pod's). */
  SECKILL_METRICS_INSTANCE: z.string().min(1).default(hostname()),
  /** Products that metrics tell apart from the others, as the class `hot`. */
  SECKILL_HOT_PRODUCTS: listOf('product ids').default([]),
  /** Of the relay of alerts: DingTalk's robot with its access token, and what it signs with. */
  SECKILL_DINGTALK_URL: z.url({ protocol: /^https?$/ }),
  SECKILL_DINGTALK_SECRET: given,
  SECKILL_HOST: z.string().min(1).default('0.0.0.0'),
  PORT: port.default(8080),
};

export type Environment = {
  [Name in keyof typeof variables]: z.infer<(typeof variables)[Name]>;
};

/** What a connection to Redis is made of; `redisAccessOf` reads it. */
export const redisNames = [
  'SECKILL_REDIS_URL',
  'SECKILL_REDIS_CA_FILE',
  'SECKILL_REDIS_CERT_FILE',
  'SECKILL_REDIS_KEY_FILE',
  'SECKILL_REDIS_TLS_SERVER_NAME',
] as const;

/** What a connection to etcd is made of; `etcdAccessOf` reads it. */
export const etcdNames = [
  'SECKILL_ETCD_ENDPOINTS',
  'SECKILL_ETCD_CA_FILE',
  'SECKILL_ETCD_CERT_FILE',
  'SECKILL_ETCD_KEY_FILE',
  'SECKILL_ETCD_USERNAME',
  'SECKILL_ETCD_PASSWORD',
] as const;

/** What a connection to Kafka is made of; `kafkaAccessOf` reads it. */
export const kafkaNames = [
  'SECKILL_KAFKA_BROKERS',
  'SECKILL_KAFKA_TLS',
  'SECKILL_KAFKA_CA_FILE',
  'SECKILL_KAFKA_CERT_FILE',
  'SECKILL_KAFKA_KEY_FILE',
  'SECKILL_KAFKA_SASL_MECHANISM',
  'SECKILL_KAFKA_USERNAME',
  'SECKILL_KAFKA_PASSWORD',
] as const;

/** What a connection to MySQL is made of; `mysqlAccessOf` reads it. */
export const mysqlNames = [
  'SECKILL_MYSQL_URL',
  'SECKILL_MYSQL_TLS',
  'SECKILL_MYSQL_CA_FILE',
  'SECKILL_MYSQL_CERT_FILE',
  'SECKILL_MYSQL_KEY_FILE',
] as const;

/** What tracing is made of; `createTracing` reads it. */
export const tracingNames = [
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'OTEL_TRACES_SAMPLER_ARG',
] as const;

/** What every function tells of itself, and to whom; `startTelling` reads it. */
export const telemetryNames = [
  'SECKILL_LOG_LEVEL',
  'SECKILL_METRICS_PORT',
  'SECKILL_METRICS_PUSH_URL',
  'SECKILL_METRICS_INSTANCE',
] as const;

/**
 * The named variables, parsed. Throws an Error whose message lists every variable that is
 * missing or wrong, without its value.
 */
export function readEnvironment<Name extends keyof Environment>(
  names: readonly Name[],
  source: Readonly<Record<string, string | undefined>> = process.env,
): Pick<Environment, Name> {
  const problems: string[] = [];
  const values: Partial<Record<Name, unknown>> = {};
  for (const name of names) {
    const given = source[name] === '' ? undefined : source[name];
    const parsed = variables[name].safeParse(given);
    if (parsed.success) values[name] = parsed.data;
    else if (given === undefined) problems.push(`${name} is not set`);
    else problems.push(`${name}: ${parsed.error.issues.map(({ message }) => message).join('; ')}`);
  }
  if (problems.length > 0) {
    throw new Error(`The environment is incomplete:\n  ${problems.join('\n  ')}`);
  }
  return values as Pick<Environment, Name>;
}
