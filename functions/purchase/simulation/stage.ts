// A world for a written schedule: a test says what happens in it, step by step.

import { createHash } from 'node:crypto';
import { ordersPartitions } from '#lib/names.ts';
import type { Order } from './buyers.ts';
import type { PurchaseInstance } from './instances.ts';
import type { Database } from './mysql-database.ts';
import { createScriptedFortune, type ScriptedFortune } from './scripted-fortune.ts';
import { type Guard, guards } from './without.ts';
import { createWorld, productId, type World } from './world.ts';

export const second = 1_000;

/** A world in which a test says what happens, step by step. */
export interface Stage extends World {
  readonly script: ScriptedFortune;
  /** Virtual time goes on until it is so. */
  until<T>(promise: Promise<T>): Promise<T>;
  sleep(ms: number): Promise<void>;
  /** A request of one order or several; resolves with the outcomes, undefined without an answer. */
  ask(instance: PurchaseInstance, ...orders: Order[]): Promise<string[] | undefined>;
  /** Runs it in the process of the instance. */
  inside<T>(instance: PurchaseInstance, run: () => Promise<T>): Promise<T>;
}

/**
 * Everything answers within milliseconds; a guard that is named is taken away. The seed is for
 * what is not written: how the world comes to rest in the end.
 */
export async function openStage(
  database: Database,
  guard: Guard | undefined,
  stock: number,
  seed = 'written',
): Promise<Stage> {
  const world = await createWorld({
    ...{ seed, database },
    sale: { stock, limitPerUser: stock, usersCount: 1_000_000, quantityMax: 1 },
    delivery: { slow: 0, repeated: 0, answerLost: 0, retriesMax: 1_000 },
    ...(guard === undefined ? {} : { without: guards[guard] }),
  });
  const script = createScriptedFortune();
  world.network.fortune = script;
  const until = async <T>(promise: Promise<T>): Promise<T> => {
    let isDone = false;
    const done = () => {
      isDone = true;
    };
    promise.then(done, done);
    if (!(await world.time.run(() => isDone, world.time.nowMs + 120_000))) {
      throw new Error('it does not end');
    }
    return promise;
  };
  return {
    ...{ ...world, script, until },
    sleep: (ms) => until(world.time.sleep(ms)),
    async ask(instance, ...orders) {
      const answers = await world.buyers.ask(instance, orders);
      return answers?.map(({ outcome }) => outcome);
    },
    inside: (instance, run) => world.time.inside(instance.process, run),
  };
}

/** The partition that the publisher chooses for a batch. */
export function partitionOf(batchNumber: number): number {
  const digest = createHash('sha1').update(`${productId}.1.${batchNumber}`).digest();
  return digest.readUInt32BE(0) % ordersPartitions;
}

/** So many instances, with one that writes rows. */
export async function started(stage: Stage, count: number): Promise<PurchaseInstance[]> {
  const instances = Array.from({ length: count }, () => stage.startPurchase());
  stage.startPersist();
  await stage.sleep(200);
  return instances;
}
