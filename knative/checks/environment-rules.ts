// The environment of each function: what its main.ts reads is what the manifests give, in a form
// that it takes, and nothing else.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import * as environment from '#lib/environment.ts';
import { configMapData, type FunctionManifest, isFunction, titleOf } from './manifest.ts';
import type { Rule } from './rule.ts';

const { readEnvironment } = environment;
type Name = keyof environment.Environment;

const functionsFolder = resolve(import.meta.dirname, '../../functions');

/** The variables that a function reads, by its source: its own names, and the lists it spreads. */
export function namesReadBy(functionName: string): readonly Name[] {
  const source = readFileSync(join(functionsFolder, functionName, 'main.ts'), 'utf8');
  const lists = environment as unknown as Readonly<Record<string, readonly Name[] | undefined>>;
  const spread = [...source.matchAll(/\.\.\.(\w+Names)\b/g)].flatMap(
    ([, list]) => lists[list ?? ''] ?? [],
  );
  const own = [...source.matchAll(/'(SECKILL_[A-Z0-9_]+|PORT)'/g)].map(([, name]) => name as Name);
  return [...new Set([...own, ...spread])];
}

/** What a function's own Secret has, as far as the function reads it (a sample of each form). */
const ofOwnSecret: Readonly<Record<string, string>> = {
  SECKILL_REDIS_URL: 'redis://user:password@redis.example:6379',
  SECKILL_MYSQL_URL: 'mysql://user:password@mysql.example:3306/seckill',
  SECKILL_KAFKA_USERNAME: 'user',
  SECKILL_KAFKA_PASSWORD: 'password',
  SECKILL_ETCD_USERNAME: 'user',
  SECKILL_ETCD_PASSWORD: 'password',
};
const sampleKey = 'k'.repeat(32);

/** What the container finds, with samples for what is in Secrets. */
function environmentOf(
  { metadata, spec }: FunctionManifest,
  shared: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const [container] = spec.template.spec.containers;
  const hasOwnSecret = container?.envFrom?.some(
    ({ secretRef }) => secretRef?.name === metadata.name,
  );
  const given = (container?.env ?? []).map(({ name, value = '', valueFrom }) => {
    const key = valueFrom?.secretKeyRef?.key;
    return [name, key === undefined ? value : sampleKey] as const;
  });
  return {
    PORT: '8080',
    ...(hasOwnSecret === true ? ofOwnSecret : {}),
    ...shared,
    ...Object.fromEntries(given),
  };
}

export const environmentRules: readonly Rule[] = [
  {
    name: 'a function is given all that it reads, in a form that it takes',
    check(manifests) {
      const shared = configMapData(manifests, 'seckill') ?? {};
      return manifests.filter(isFunction).flatMap((service) => {
        try {
          readEnvironment(namesReadBy(service.metadata.name), environmentOf(service, shared));
          return [];
        } catch (error) {
          const lines = (error as Error).message.split('\n').slice(1);
          return lines.map((line) => `${titleOf(service)}: ${line.trim()}`);
        }
      });
    },
  },
  {
    name: 'nothing is given that nobody reads',
    check(manifests) {
      const functions = manifests.filter(isFunction);
      const read = new Set<string>(functions.flatMap(({ metadata }) => namesReadBy(metadata.name)));
      const shared = Object.keys(configMapData(manifests, 'seckill') ?? {});
      return [
        ...shared
          .filter((name) => !read.has(name))
          .map((name) => `ConfigMap seckill: no function reads ${name}`),
        ...functions.flatMap((service) => {
          const own = new Set<string>(namesReadBy(service.metadata.name));
          return service.spec.template.spec.containers
            .flatMap(({ env = [] }) => env)
            .filter(({ name }) => !own.has(name))
            .map(({ name }) => `${titleOf(service)}: does not read ${name}`);
        }),
      ];
    },
  },
  {
    name: 'a key has the name of its variable',
    check: (manifests) =>
      manifests.filter(isFunction).flatMap((service) =>
        service.spec.template.spec.containers
          .flatMap(({ env = [] }) => env)
          .filter(({ name, valueFrom }) => {
            const from = valueFrom?.secretKeyRef;
            return from !== undefined && (from.name !== 'seckill-keys' || from.key !== name);
          })
          .map(({ name }) => `${titleOf(service)}: ${name} is not that key of seckill-keys`),
      ),
  },
  {
    name: 'tokens are believed by one key, or by one issuer’s keys',
    check(manifests) {
      const shared = configMapData(manifests, 'seckill') ?? {};
      const edge = manifests
        .filter(isFunction)
        .find(({ metadata }) => metadata.name === 'ratelimit-edge');
      const given = edge === undefined ? {} : environmentOf(edge, shared);
      const both = ['SECKILL_JWT_KEY', 'SECKILL_JWT_JWKS_URL'].filter((name) => name in given);
      if (edge === undefined || both.length === 1) return [];
      return [
        `Service ratelimit-edge: has ${both.length === 0 ? 'neither' : 'both'} key and issuer`,
      ];
    },
  },
];
