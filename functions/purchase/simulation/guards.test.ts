// Each guard of the seller has a written schedule in which everybody keeps their word as shipped, and
// a promise is broken without that guard. So the guards are needed, and the simulation can fail.

import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ordersPartitions } from '#lib/names.ts';
import { closeSale } from '../close-sale.ts';
import { openSale } from '../operate.ts';
import type { Order } from './buyers.ts';
import type { PurchaseInstance } from './instances.ts';
import { type Database, openDatabase } from './mysql-database.ts';
import { createScriptedFortune, type ScriptedFortune } from './scripted-fortune.ts';
import { type Guard, guards } from './without.ts';
import { createWorld, productId, type World } from './world.ts';

let database: Database;
beforeAll(() => {
  database = openDatabase();
});
afterAll(() => {
  database.close();
});

/** A world in which a test says what happens, step by step. */
interface Stage extends World {
  readonly script: ScriptedFortune;
  /** Virtual time goes on until it is so. */
  until<T>(promise: Promise<T>): Promise<T>;
  sleep(ms: number): Promise<void>;
  /** A request of one order or several; resolves with the outcomes, undefined without an answer. */
  ask(instance: PurchaseInstance, ...orders: Order[]): Promise<string[] | undefined>;
  /** Runs it in the process of the instance. */
  inside<T>(instance: PurchaseInstance, run: () => Promise<T>): Promise<T>;
}

async function openStage(guard: Guard | undefined, stock: number): Promise<Stage> {
  const world = await createWorld({
    ...{ seed: 'written', database },
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
function partitionOf(batchNumber: number): number {
  const digest = createHash('sha1').update(`${productId}.1.${batchNumber}`).digest();
  return digest.readUInt32BE(0) % ordersPartitions;
}

async function started(stage: Stage, count: number): Promise<PurchaseInstance[]> {
  const instances = Array.from({ length: count }, () => stage.startPurchase());
  stage.startPersist();
  await stage.sleep(200);
  return instances;
}

const second = 1_000;

/** What happens, for each guard; what is broken afterwards is for the world to say. */
const schedules: Readonly<
  Record<Guard, { readonly stock?: number; readonly run: (stage: Stage) => Promise<void> }>
> = {
  // A holder crashes right after it sold. Whoever comes next must publish before it repeats that.
  'outbox rule': {
    async run(stage) {
      const [one, other] = await started(stage, 2);
      await stage.until(stage.ask(one as PurchaseInstance, stage.buyers.order()));
      const order = stage.buyers.order();
      stage.script.at('after', { step: 'sell' }, () => {
        stage.kill((one as PurchaseInstance).process);
      });
      await stage.until(stage.ask(one as PurchaseInstance, order));
      await stage.until(stage.ask(other as PurchaseInstance, order));
      await stage.until(stage.ask(other as PurchaseInstance, order));
    },
  },
  // The last unit is bought; the same purchase is sent again.
  'duplicate-first order': {
    stock: 1,
    async run(stage) {
      const [one] = await started(stage, 1);
      const order = stage.buyers.order();
      await stage.until(stage.ask(one as PurchaseInstance, order));
      await stage.until(stage.ask(one as PurchaseInstance, order));
    },
  },
  // Two batches in one send; the second one's partition moves to the broker that has answered for
  // the first one, where kafkajs does not ask again.
  'partition check': {
    stock: 400,
    async run(stage) {
      const [first, moved] = [partitionOf(1), partitionOf(2)];
      expect(moved).not.toBe(first);
      stage.kafka.moveLeaders(
        new Map([
          [first, 0],
          [moved, 1],
        ]),
      );
      const [one] = await started(stage, 1);
      const { process } = one as PurchaseInstance;
      stage.script.next({ process, step: 'produce' }, undefined);
      const late = { requestMs: 100, answerMs: 1 };
      stage.script.next({ process, step: 'produce' }, late, () => {
        stage.kafka.moveLeaders(new Map([[moved, 0]]));
      });
      const orders = Array.from({ length: 250 }, () => stage.buyers.order());
      await stage.until(stage.ask(one as PurchaseInstance, ...orders));
    },
  },
  // A batch is appended and nobody hears of it. The producer goes back to its sequence number, with
  // which the broker takes a later batch on that partition for a repeat.
  "producer's replacement": {
    stock: 400,
    async run(stage) {
      const [one, other] = (await started(stage, 2)) as [PurchaseInstance, PurchaseInstance];
      const unheard = { requestMs: 1, answerMs: undefined, breaksAfterMs: 2 };
      stage.script.next({ process: one.process, step: 'produce' }, unheard, undefined, 25);
      await stage.until(stage.ask(one, stage.buyers.order()));
      await stage.sleep(20 * second);
      const sameAgain = Array.from({ length: 100 }, (_, index) => index + 2).find(
        (batch) => partitionOf(batch) === partitionOf(1),
      );
      for (let batch = 2; batch < (sameAgain ?? 0); batch += 1) {
        await stage.until(stage.ask(other, stage.buyers.order()));
      }
      await stage.until(stage.ask(one, stage.buyers.order()));
    },
  },
  // An instance is cut off from etcd, and still talks to a Redis that was replaced. It sells just
  // before its lease ends; Kafka has its batch after another instance has rebuilt the sale.
  'deadline before 202': {
    async run(stage) {
      const [one, other] = (await started(stage, 2)) as [PurchaseInstance, PurchaseInstance];
      const { script, buyers } = stage;
      await stage.until(stage.ask(one, buyers.order()));
      await stage.until(
        new Promise<void>((resolve) => {
          script.at('after', { process: one.process, step: 'lease renewed' }, resolve);
        }),
      );
      await stage.sleep(100);
      script.cut(one.process, 'etcd');
      stage.redis.failOver(0, 'answers');
      stage.redis.follow(other.process.name);
      await stage.sleep(6.4 * second);
      const elsewhere = stage.ask(other, buyers.order());
      await stage.sleep(2.2 * second);
      script.next({ process: one.process, step: 'produce' }, { requestMs: 2_800, answerMs: 1 });
      await stage.until(stage.ask(one, buyers.order()));
      await stage.until(elsewhere);
    },
  },
  // etcd is replaced by an empty one, whose tokens are lower. The holder before, which does not know,
  // sells; its batch comes to Kafka after the new holder has rebuilt the sale.
  'generation check': {
    async run(stage) {
      const others = await started(stage, 6);
      const [one, other] = (await started(stage, 2)) as [PurchaseInstance, PurchaseInstance];
      const { script, buyers } = stage;
      // Each of them takes a place in the queue, which makes the tokens greater.
      for (const instance of others) await stage.until(stage.ask(instance, buyers.order()));
      for (const { process } of others) stage.kill(process);
      await stage.sleep(12 * second);
      await stage.until(stage.ask(one, buyers.order()));
      script.next(
        { process: one.process, step: 'produce' },
        { requestMs: 2_500, answerMs: 1 },
        () => {
          script.cut(one.process, 'etcd');
          stage.etcd.replace();
        },
      );
      const late = stage.ask(one, buyers.order());
      await stage.sleep(600);
      await stage.until(stage.ask(other, buyers.order()));
      await stage.until(late);
    },
  },
  // An operator's opening is late; meanwhile another instance has closed and settled the sale. If it
  // opens again, an order is accepted that MySQL, asked when Redis is lost, does not know yet.
  fence: {
    async run(stage) {
      const [one, other] = (await started(stage, 2)) as [PurchaseInstance, PurchaseInstance];
      const { script, buyers, sinks } = stage;
      await stage.until(stage.ask(one, buyers.order()));
      await stage.sleep(second);
      const operation = (operationId: string) => ({ operationId, operator: 'somebody' });
      const late = { requestMs: 14 * second, answerMs: undefined };
      script.next({ process: one.process, step: 'configure' }, late);
      await stage
        .until(stage.inside(one, () => openSale(one, productId, operation('opened'))))
        .catch(() => undefined);
      await stage.until(
        stage.inside(other, () => closeSale(other, productId, operation('closed'))),
      );
      await stage.until(stage.inside(other, () => closeSale(other, productId, operation('again'))));
      for (const { process } of sinks) stage.kill(process);
      await stage.sleep(16 * second);
      const order = buyers.order();
      await stage.until(stage.ask(other, order));
      stage.redis.flush();
      await stage.sleep(2 * second);
      await stage.until(stage.ask(other, order));
    },
  },
};

describe.each(Object.keys(guards) as Guard[])('the %s', { timeout: 60_000 }, (guard) => {
  const { stock = 50, run } = schedules[guard];

  async function play(without: Guard | undefined): Promise<string[]> {
    const stage = await openStage(without, stock);
    await run(stage);
    // Without its guard, it need not come to rest.
    await stage.settle(without === undefined ? undefined : 20 * second);
    return stage.problems();
  }

  test('is there: no promise is broken', async () => {
    expect(await play(undefined)).toEqual([]);
  });

  test('is taken away: a promise is broken', async () => {
    const problems = await play(guard);
    expect(problems.join('\n')).toMatch(/lost|answered twice|oversold/);
  });
});
