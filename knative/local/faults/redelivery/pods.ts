// Two pods of a KafkaSource's dispatcher, each delivering to a persist-order and an update-rank of
// its own: six processes beside stores that nobody else uses, each of which can be killed.

import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type KafkaAccess, kafkaAccessIn } from '#lib/kafka/access.ts';
import { uniqueName } from '#lib/testing/unique.ts';
import { buildFunction, type FunctionName } from '../../build.ts';
import { choosePorts, distFolder, functionService, sourceRunnerService } from '../../functions.ts';
import { readState } from '../../state.ts';
import { createStores } from '../../stores/stores.ts';
import { createTopics } from '../../topics.ts';
import { createMember, type Member } from '../member.ts';

export interface Pods {
  readonly folder: string;
  readonly kafka: KafkaAccess;
  /** Where the functions write. */
  readonly mysqlUrl: string;
  readonly redisUrl: string;
  readonly signingKeys: readonly string[];
  /** Every persist-order and update-rank. */
  readonly functions: readonly Member[];
  readonly runners: readonly Member[];
  /** Starts all six; resolves when they are ready. The tables must be there. */
  start(): Promise<void>;
  /** Ends all processes and stores, and removes what they stored. */
  stop(): Promise<void>;
}

const root = resolve(import.meta.dirname, '../../../..');
const sinks: readonly FunctionName[] = ['persist-order', 'update-rank'];
const given = { PATH: process.env.PATH };

export async function startPods(): Promise<Pods> {
  const folder = join(root, '.seckill', uniqueName('pods-'));
  const { secrets } = readState(folder);
  const stores = createStores({
    ...{ folder: join(folder, 'stores'), given, throwaway: true, say: () => undefined },
    password: secrets.mysqlPassword,
  });
  const members: Member[] = [];
  const stop = async () => {
    await Promise.all(members.map((member) => member.kill()));
    await stores.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const [up] = await Promise.all([
      stores.start(),
      ...sinks.map((name) =>
        buildFunction(name, join(distFolder(folder), name), undefined, { crashPoints: true }),
      ),
    ]);
    await createTopics(kafkaAccessIn(up.env));
    const env = { ...up.env, SECKILL_SIGNING_KEYS: secrets.signingKey };
    const pods = [await createPod(folder, 'a', env), await createPod(folder, 'b', env)];
    const functions = pods.flatMap((pod) => pod.functions);
    const runners = pods.map(({ runner }) => runner);
    members.push(...functions, ...runners);
    return {
      ...{ folder, functions, runners, stop },
      kafka: kafkaAccessIn(env),
      mysqlUrl: env.SECKILL_MYSQL_URL,
      redisUrl: env.SECKILL_REDIS_URL,
      signingKeys: [secrets.signingKey],
      async start() {
        await Promise.all(members.map((member) => member.start()));
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Pod {
  readonly functions: readonly Member[];
  readonly runner: Member;
}

async function createPod(
  folder: string,
  name: string,
  env: Readonly<Record<string, string>>,
): Promise<Pod> {
  const around = { folder: join(folder, name), ports: await choosePorts('0', {}), given, env };
  const dist = distFolder(folder);
  return {
    functions: sinks.map((sink) => {
      const service = functionService(sink, around);
      return createMember({
        ...{ ...service, name: `${sink}-${name}` },
        args: [join(dist, sink, 'main.cjs')],
      });
    }),
    runner: createMember({ ...sourceRunnerService(around), name: `source-runner-${name}` }),
  };
}
