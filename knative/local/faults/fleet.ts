// The whole system in a test's hands: stores of its own, two instances of `purchase` behind a
// gateway, the other functions and the source runner, each a process that can be crashed.

import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Redis } from 'ioredis';
import { migrate } from '#functions/persist-order/migrate.ts';
import { kafkaAccessIn } from '#lib/kafka/access.ts';
import { mysqlAccessIn } from '#lib/mysql/access.ts';
import { uniqueName } from '#lib/testing/unique.ts';
import { buildFunctions } from '../build.ts';
import {
  choosePorts,
  distFolder,
  functionService,
  type Surroundings,
  sourceRunnerService,
} from '../functions.ts';
import { choosePort } from '../ports.ts';
import type { Service } from '../service.ts';
import { readState } from '../state.ts';
import type { StoreName } from '../stores/store.ts';
import { createStores, type RunningStores } from '../stores/stores.ts';
import { createTopics } from '../topics.ts';
import { type Gateway, startGateway } from './gateway.ts';
import { createMember, type Member } from './member.ts';

export interface Fleet {
  readonly folder: string;
  /** How programs beside the functions reach them and the stores. */
  readonly env: Readonly<Record<string, string>>;
  readonly url: string;
  readonly redis: Redis;
  readonly gateway: Gateway;
  /** Every function and the source runner. */
  readonly all: readonly Member[];
  readonly purchases: readonly [Member, Member];
  readonly edge: Member;
  readonly persistOrder: Member;
  readonly updateRank: Member;
  readonly sourceRunner: Member;
  /** One more `purchase` on the state of the first one: its twin. */
  twin(): Promise<Member>;
  /** Kills a store's process; what it has made durable stays in its folder. */
  killStore(name: StoreName): Promise<void>;
  /** Starts it again where it was; resolves when it answers. */
  startStore(name: StoreName): Promise<void>;
  /** It keeps its connections and answers nothing, until thawed. */
  freezeStore(name: StoreName): void;
  thawStore(name: StoreName): void;
  stop(): Promise<void>;
}

/** All that buyers and operators need to know of a system. */
export type Reachable = Pick<Fleet, 'url' | 'env'>;

const root = resolve(import.meta.dirname, '../../..');

/** `lockTtlMs`: shorter than as shipped where a test freezes who holds a lock. */
export async function startFleet({ lockTtlMs }: { lockTtlMs?: number } = {}): Promise<Fleet> {
  const folder = join(root, '.seckill', uniqueName('fleet-'));
  const { secrets } = readState(folder);
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const stopOne of stops.splice(0).reverse()) await stopOne();
    rmSync(folder, { recursive: true, force: true });
  };
  const stores = createStores({
    ...{ folder, given, throwaway: true, say: () => undefined },
    password: secrets.mysqlPassword,
  });
  stops.push(() => stores.stop());
  try {
    const [up, gateway, ports] = await Promise.all([
      stores.start(),
      startGateway(),
      choosePorts('0', {}),
      buildFunctions(distFolder(folder), { crashPoints: true }),
    ]);
    const redis = connect(up.env.SECKILL_REDIS_URL);
    stops.push(
      () => gateway.stop(),
      async () => {
        await redis.quit().catch(() => undefined);
      },
    );
    await Promise.all([migrate(mysqlAccessIn(up.env)), createTopics(kafkaAccessIn(up.env))]);
    const env = {
      ...up.env,
      SECKILL_URL: `http://127.0.0.1:${ports['ratelimit-edge']}`,
      SECKILL_PURCHASE_URL: gateway.url,
      SECKILL_JWT_KEY: secrets.jwtKey,
      SECKILL_SIGNING_KEYS: secrets.signingKey,
      SECKILL_PSEUDONYM_KEY: secrets.pseudonymKey,
      ...(lockTtlMs === undefined ? {} : { SECKILL_CRASH_LOCK_TTL_MS: String(lockTtlMs) }),
    };
    const members = await createMembers({ folder, ports, given, env }, stops);
    await Promise.all(members.all.map((member) => member.start()));
    gateway.route(members.purchases.map(({ url }) => url));
    return {
      ...{ folder, env, url: env.SECKILL_URL, redis, gateway, ...members, stop },
      async killStore(name) {
        const { exited, pid } = processOf(up, name);
        process.kill(pid, 'SIGKILL');
        await exited;
      },
      async startStore(name) {
        await stores.startAgain(name);
      },
      freezeStore(name) {
        process.kill(processOf(up, name).pid, 'SIGSTOP');
      },
      thawStore(name) {
        process.kill(processOf(up, name).pid, 'SIGCONT');
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The environment of the one who runs the test is left out: it may name other stores. */
const given = { PATH: process.env.PATH };

function connect(redisUrl: string): Redis {
  const redis = new Redis(redisUrl);
  // It is killed under us: the client comes back by itself.
  redis.on('error', () => undefined);
  return redis;
}

type Members = Pick<
  Fleet,
  'all' | 'purchases' | 'edge' | 'persistOrder' | 'updateRank' | 'sourceRunner' | 'twin'
>;

/** How to kill each of them is added to `stops`. */
async function createMembers(
  around: Surroundings,
  stops: (() => Promise<void>)[],
): Promise<Members> {
  const keep = (service: Service): Member => {
    const member = createMember(service);
    stops.push(() => member.kill());
    return member;
  };
  const service = functionService('purchase', around);
  const purchases = [keep(service), keep(await beside(service, 'purchase-b'))] as const;
  const edge = keep(functionService('ratelimit-edge', around));
  const persistOrder = keep(functionService('persist-order', around));
  const updateRank = keep(functionService('update-rank', around));
  const sourceRunner = keep(sourceRunnerService(around));
  return {
    all: [...purchases, edge, persistOrder, updateRank, sourceRunner],
    ...{ purchases, edge, persistOrder, updateRank, sourceRunner },
    async twin() {
      const twin = await beside(service, 'purchase-twin');
      const state = { SECKILL_STATE_DIR: service.env.SECKILL_STATE_DIR };
      return keep({ ...twin, env: { ...twin.env, ...state } });
    },
  };
}

/** Another instance of a function: its port, its state and its log are its own. */
async function beside(service: Service, name: string): Promise<Service> {
  const folder = join(service.folder, '..', name);
  const env = {
    ...service.env,
    SECKILL_METRICS_PORT: String(await choosePort()),
    SECKILL_STATE_DIR: folder,
  };
  return { ...service, name, folder, env, port: await choosePort() };
}

function processOf({ processes }: RunningStores, name: StoreName) {
  const found = processes.get(name);
  if (found === undefined) throw new Error(`${name} is not a process of ours`);
  return found;
}
