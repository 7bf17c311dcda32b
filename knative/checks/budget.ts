// How many connections the functions may ask of each store: max-scale × what an instance has, twice
// while an old revision ends beside the new one, and what jobs and people need. And what Redis may
// take of memory beside what it counts itself.

import {
  persistConnections,
  purchaseMysqlConnections,
  purchaseUpkeepConnections,
} from '#lib/constants.ts';
import { scalingOf } from './autoscaling-rules.ts';
import { configMapData, isFunction, type Manifest } from './manifest.ts';
import type { Rule } from './rule.ts';

export type StoreName = 'redis' | 'etcd' | 'kafka' | 'mysql';

/** One for commands, and one by which a client of a Redis Cluster hears of changes. */
const redisConnections = 2;
/** One for sending and, while a sale is rebuilt or verified, for metadata and for reading. */
const kafkaConnections = 3;

/** Of one instance, to one node of the store. A store that is not named is not used. */
export const connectionsPerInstance: Readonly<
  Record<string, Readonly<Partial<Record<StoreName, number>>>>
> = {
  'ratelimit-edge': { redis: redisConnections },
  purchase: {
    redis: redisConnections,
    etcd: 1,
    kafka: kafkaConnections,
    mysql: purchaseMysqlConnections + purchaseUpkeepConnections,
  },
  'persist-order': { redis: redisConnections, mysql: persistConnections },
  'update-rank': { redis: redisConnections },
};

/**
 * What a node of each store has to allow. MySQL: `max_connections`, 151 by default, is too few;
 * Redis: `maxclients` is 10,000 by default; etcd and Kafka have no limit of their own.
 */
export const connectionBudget: Readonly<Record<StoreName, number>> = {
  redis: 1_000,
  etcd: 100,
  kafka: 200,
  mysql: 400,
};

/** Migration, backup, preparation and the people who look. */
const besideFunctions = 20;
/** Old and new revision, each at its max-scale. */
const revisionsAtOnce = 2;

/** The most connections that one node of the store may get by these manifests. */
export function connectionsOf(manifests: readonly Manifest[], store: StoreName): number {
  const ofFunctions = manifests.filter(isFunction).reduce((sum, service) => {
    const each = connectionsPerInstance[service.metadata.name]?.[store] ?? 0;
    const instancesMax = Number(scalingOf(service)['max-scale'] ?? Number.POSITIVE_INFINITY);
    return each === 0 ? sum : sum + each * instancesMax;
  }, 0);
  return ofFunctions * revisionsAtOnce + besideFunctions;
}

const stores = Object.keys(connectionBudget) as StoreName[];

/** Pages by what they hold, and each of them twice while a child writes all of it to disk. */
const redisFragmentation = 1.15;
const redisCopies = 2;
/** A replica's buffer (redis.conf), the append-only file's, and the process itself. */
const redisBesideMib = 256 + 64;

/** What a pod of Redis may be charged for at this `maxmemory`, in MiB. */
export function redisMemoryMib(maxmemoryMib: number): number {
  return Math.ceil(redisCopies * redisFragmentation * maxmemoryMib) + redisBesideMib;
}

interface WithMemory {
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly containers: readonly {
          readonly resources?: { readonly limits?: { readonly memory?: string } };
        }[];
      };
    };
  };
}

export const budgetRules: readonly Rule[] = [
  {
    name: 'max-scale times connections is within each store’s budget',
    check: (manifests) =>
      stores.flatMap((store) => {
        const wanted = connectionsOf(manifests, store);
        const budget = connectionBudget[store];
        if (wanted <= budget) return [];
        return [`the functions may want ${wanted} connections to ${store}, which has ${budget}`];
      }),
  },
  {
    name: 'a MySQL that comes with the overlay allows as many connections as the budget says',
    check(manifests) {
      const mysql = manifests.filter(
        ({ kind, metadata }) => kind === 'StatefulSet' && metadata.name === 'mysql',
      );
      if (mysql.length === 0) return [];
      const [, allowed = '151'] =
        /max[_-]connections\s*[=:]\s*(\d+)/.exec(JSON.stringify(manifests)) ?? [];
      if (Number(allowed) >= connectionBudget.mysql) return [];
      return [`StatefulSet mysql: max_connections ${allowed} is below ${connectionBudget.mysql}`];
    },
  },
  {
    name: 'a Redis that comes with the overlay has memory for its maxmemory while it is copied',
    check(manifests) {
      const redis = manifests.find(
        ({ kind, metadata }) => kind === 'StatefulSet' && metadata.name === 'redis',
      ) as (Manifest & WithMemory) | undefined;
      if (redis === undefined) return [];
      const [, maxmemory] =
        /\nmaxmemory (\d+)mb/.exec(
          configMapData(manifests, 'redis-config')?.['redis.conf'] ?? '',
        ) ?? [];
      const limit = redis.spec.template.spec.containers[0]?.resources?.limits?.memory ?? '';
      const [, limitMib] = /^(\d+)Mi$/.exec(limit) ?? [];
      const wanted = redisMemoryMib(Number(maxmemory));
      if (Number(limitMib) >= wanted) return [];
      return [
        `StatefulSet redis: of maxmemory ${maxmemory}mb it may take ${wanted}Mi, not ${limit}`,
      ];
    },
  },
];
