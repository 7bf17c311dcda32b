// Whether Redis is set as the sales need it: it evicts nothing, survives a restart, and is whole.

import { Cluster } from 'ioredis';
import { type Check, checksOf } from '#lib/diagnosis.ts';
import type { RedisClient } from '#lib/redis/connect.ts';

/** What one node says of itself, as far as it is judged. */
export interface RedisNode {
  readonly name: string;
  readonly version: string;
  readonly isCluster: boolean;
  readonly role: string;
  readonly replicas: number;
  readonly evictionPolicy: string;
  readonly memoryBytes: number;
  /** 0 where it may take all there is. */
  readonly memoryMaxBytes: number;
  readonly keepsAof: boolean;
  readonly failedWrites: readonly string[];
  readonly clients: number;
  readonly clientsMax: number;
}

/** Of a Redis Cluster, as one of its nodes sees it. */
export interface RedisClusterState {
  readonly state: string;
  readonly slotsOk: number;
}

const say = checksOf('Redis');
const slotsAll = 16_384;
/** ZADD takes LT and GT since 6.2. */
const versionMin = [6, 2] as const;
/** Of what there may be; beyond it a sale could fill the rest. */
const fullFrom = 0.8;

/** Looks at every node that may be written to. Throws where one does not answer. */
export async function checkRedis(redis: RedisClient): Promise<Check[]> {
  const nodes = redis instanceof Cluster ? redis.nodes('master') : [redis];
  const told = await Promise.all(
    nodes.map(async (node) => {
      const { host = '', port = 0 } = node.options;
      return nodeOf(`${host}:${port}`, await node.info());
    }),
  );
  const [first] = nodes;
  const state =
    redis instanceof Cluster && first
      ? clusterStateOf(String(await first.call('CLUSTER', 'INFO')))
      : undefined;
  return judgeRedis(told, state);
}

/** Reads the answer of INFO. */
export function nodeOf(name: string, info: string): RedisNode {
  const fields = fieldsOf(info);
  const text = (field: string) => fields.get(field) ?? '';
  const whole = (field: string) => Number(fields.get(field) ?? 0);
  return {
    name,
    version: text('redis_version'),
    isCluster: text('redis_mode') === 'cluster',
    role: text('role'),
    replicas: whole('connected_slaves'),
    evictionPolicy: text('maxmemory_policy'),
    memoryBytes: whole('used_memory'),
    memoryMaxBytes: whole('maxmemory'),
    keepsAof: text('aof_enabled') === '1',
    failedWrites: [
      'aof_last_write_status',
      'aof_last_bgrewrite_status',
      'rdb_last_bgsave_status',
    ].filter((field) => fields.has(field) && text(field) !== 'ok'),
    clients: whole('connected_clients'),
    clientsMax: whole('maxclients'),
  };
}

function clusterStateOf(info: string): RedisClusterState {
  const fields = fieldsOf(info);
  return {
    state: fields.get('cluster_state') ?? '',
    slotsOk: Number(fields.get('cluster_slots_ok') ?? 0),
  };
}

function fieldsOf(info: string): ReadonlyMap<string, string> {
  return new Map(
    [...info.matchAll(/^([\w-]+):(.*?)\r?$/gm)].map(([, name = '', value = '']) => [name, value]),
  );
}

/** The checks of these nodes; `cluster` where they were reached as a Redis Cluster. */
export function judgeRedis(
  nodes: readonly RedisNode[],
  cluster: RedisClusterState | undefined,
): Check[] {
  return [
    checkVersion(nodes),
    checkTopology(nodes, cluster),
    checkEviction(nodes),
    checkMemory(nodes),
    checkPersistence(nodes),
    checkWrites(nodes),
    checkClients(nodes),
  ];
}

function checkVersion(nodes: readonly RedisNode[]): Check {
  const [major, minor] = versionMin;
  const isOld = ({ version }: RedisNode) => {
    const [has = 0, hasMinor = 0] = version.split('.').map(Number);
    return has < major || (has === major && hasMinor < minor);
  };
  const versions = [...new Set(nodes.map(({ version }) => version))].join(', ');
  if (!nodes.some(isOld)) return say.ok('version', versions);
  return say.wrong('version', {
    found: `its version is ${versions}`,
    why: 'the leaderboards need ZADD with LT and GT, which are there since 6.2',
    todo: 'upgrade Redis to 7 or later',
  });
}

function checkTopology(nodes: readonly RedisNode[], cluster: RedisClusterState | undefined): Check {
  if (cluster === undefined) return checkSingle(nodes);
  const { state, slotsOk } = cluster;
  if (state !== 'ok' || slotsOk !== slotsAll) {
    return say.wrong('topology', {
      found: `the cluster is ${state || 'not there'}, and ${slotsOk} of ${slotsAll} slots are served`,
      why: 'sales whose slot is not served answer 503',
      todo: 'see `redis-cli --cluster check HOST:PORT`, and bring the missing nodes back',
    });
  }
  const bare = nodes.filter(({ replicas }) => replicas === 0);
  if (bare.length === 0) return say.ok('topology', `a cluster of ${nodes.length}, with replicas`);
  return say.advice('topology', {
    found: `${namesOf(bare)}: no replica is connected`,
    why: 'while such a node is away, its share of the sales answers 503',
    todo: 'give each of them a replica on another machine',
  });
}

function checkSingle(nodes: readonly RedisNode[]): Check {
  const [node] = nodes;
  if (node?.isCluster) {
    return say.wrong('topology', {
      found: 'SECKILL_REDIS_URL names one node of a Redis Cluster, as if it were alone',
      why: 'keys that other nodes hold are refused (MOVED)',
      todo: 'name several nodes of it in SECKILL_REDIS_URL, comma-separated',
    });
  }
  if (node?.role !== 'master') {
    return say.wrong('topology', {
      found: `it is a ${node?.role || 'node of unknown role'}, not the master`,
      why: 'a replica takes no writes: nothing can be sold',
      todo: 'point SECKILL_REDIS_URL at the master',
    });
  }
  return say.ok('topology', `one master, ${node.replicas} replicas`);
}

function checkEviction(nodes: readonly RedisNode[]): Check {
  const evicting = nodes.filter(({ evictionPolicy }) => evictionPolicy !== 'noeviction');
  if (evicting.length === 0) return say.ok('eviction', 'noeviction');
  const policies = [...new Set(evicting.map(({ evictionPolicy }) => evictionPolicy))].join(', ');
  return say.wrong('eviction', {
    found: `maxmemory-policy is ${policies}${nodes.length > 1 ? ` on ${namesOf(evicting)}` : ''}`,
    why: 'once its memory is full, Redis deletes sales in the middle of them',
    todo:
      'set maxmemory-policy to noeviction: `redis-cli CONFIG SET maxmemory-policy noeviction`, ' +
      'and in its configuration, or a restart undoes it',
  });
}

function checkMemory(nodes: readonly RedisNode[]): Check {
  const full = nodes.filter(
    ({ memoryBytes, memoryMaxBytes }) =>
      memoryMaxBytes > 0 && memoryBytes > fullFrom * memoryMaxBytes,
  );
  const most = Math.max(...nodes.map(({ memoryBytes }) => memoryBytes));
  if (full.length === 0) return say.ok('memory', `${mebibytes(most)} MiB in use at most`);
  return say.wrong('memory', {
    found: full
      .map(
        ({ name, memoryBytes, memoryMaxBytes }) =>
          `${name} uses ${mebibytes(memoryBytes)} of ${mebibytes(memoryMaxBytes)} MiB`,
      )
      .join('; '),
    why: 'when it is full Redis refuses writes, and nothing can be sold',
    todo: 'raise maxmemory, or look what else is kept in this Redis',
  });
}

function checkPersistence(nodes: readonly RedisNode[]): Check {
  const forgetful = nodes.filter(({ keepsAof }) => !keepsAof);
  if (forgetful.length === 0) return say.ok('persistence', 'append-only file');
  const isBare = forgetful.some(({ replicas }) => replicas === 0);
  return say[isBare ? 'wrong' : 'advice']('persistence', {
    found: `${namesOf(forgetful)}: no append-only file is kept${isBare ? ', and no replica' : ''}`,
    why:
      'sales come back from MySQL after a restart, but the rate limits that operators have set ' +
      'are nowhere else',
    todo: 'set `appendonly yes` and `appendfsync everysec`',
  });
}

function checkWrites(nodes: readonly RedisNode[]): Check {
  const failing = nodes.filter(({ failedWrites }) => failedWrites.length > 0);
  if (failing.length === 0) return say.ok('writes', 'its last writes to disk went well');
  return say.wrong('writes', {
    found: failing
      .map(({ name, failedWrites }) => `${name}: ${failedWrites.join(', ')}`)
      .join('; '),
    why: 'what it cannot write to its disk is gone after a restart, and it may refuse writes',
    todo: 'see its log, and whether its disk is full',
  });
}

function checkClients(nodes: readonly RedisNode[]): Check {
  const full = nodes.filter(
    ({ clients, clientsMax }) => clientsMax > 0 && clients > fullFrom * clientsMax,
  );
  const most = Math.max(...nodes.map(({ clients }) => clients));
  if (full.length === 0) return say.ok('clients', `${most} connections at most`);
  return say.wrong('clients', {
    found: full
      .map(({ name, clients, clientsMax }) => `${name} has ${clients} of ${clientsMax} clients`)
      .join('; '),
    why: 'instances that start in the sale would get no connection',
    todo: 'raise maxclients, or end what else is connected',
  });
}

function namesOf(nodes: readonly RedisNode[]): string {
  return nodes.map(({ name }) => name).join(', ');
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 1_048_576);
}
