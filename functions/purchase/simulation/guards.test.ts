// Each guard of the seller has a written schedule in which everybody keeps their word as shipped, and
// a promise is broken without that guard. So the guards are needed, and the simulation can fail.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { closeSale } from '../operate/close-sale.ts';
import { openSale } from '../operate.ts';
import type { PurchaseInstance } from './instances.ts';
import { type Database, openDatabase } from './mysql-database.ts';
import { openStage, partitionOf, type Stage, second, started } from './stage.ts';
import { type Guard, guards } from './without.ts';
import { productId } from './world.ts';

let database: Database;
beforeAll(() => {
  database = openDatabase();
});
afterAll(() => {
  database.close();
});

/**
 * etcd is replaced by an empty one, whose tokens are lower. The holder before, which does not know,
 * sells `late`; its batch comes to Kafka after the `other` has rebuilt the sale.
 */
async function lateInGeneration(stage: Stage) {
  const others = await started(stage, 6);
  const [one, other] = (await started(stage, 2)) as [PurchaseInstance, PurchaseInstance];
  const { script, buyers } = stage;
  // Each of them takes a place in the queue, which makes the tokens greater.
  for (const instance of others) await stage.until(stage.ask(instance, buyers.order()));
  for (const { process } of others) stage.kill(process);
  await stage.sleep(12 * second);
  await stage.until(stage.ask(one, buyers.order()));
  script.next({ process: one.process, step: 'produce' }, { requestMs: 2_500, answerMs: 1 }, () => {
    script.cut(one.process, 'etcd');
    stage.etcd.replace();
  });
  const late = stage.ask(one, buyers.order());
  return { other, late };
}

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
  // The holder before an etcd that was replaced is told by its generation alone.
  'generation check': {
    async run(stage) {
      const { other, late } = await lateInGeneration(stage);
      await stage.sleep(600);
      await stage.until(stage.ask(other, stage.buyers.order()));
      await stage.until(late);
    },
  },
  // As before; then Redis restarts without the claim of the rebuild, when that has read Kafka. To the
  // holder before, it is the Redis that it sold in, and its batch is not in what is being loaded.
  'process check of an acknowledgement': {
    async run(stage) {
      const { other, late } = await lateInGeneration(stage);
      stage.script.at('after', { process: other.process, step: 'dead letters read' }, () => {
        stage.redis.restart(1);
      });
      await stage.sleep(600);
      await stage.until(stage.ask(other, stage.buyers.order()));
      await stage.until(late);
    },
  },
  // Redis loses a closed sale just before it is counted whether it can be settled; no order is a row
  // yet. To who asks again, a settled sale without their order is over.
  'snapshot that settles': {
    async run(stage) {
      const [one] = (await started(stage, 1)) as [PurchaseInstance];
      for (const { process } of stage.sinks) stage.kill(process);
      const order = stage.buyers.order();
      await stage.until(stage.ask(one, order));
      const closing = { operationId: 'closed', operator: 'somebody' };
      const restocked = { process: one.process, step: 'restock' };
      // The first is not known to Redis yet, the second brings the close, the third goes before it.
      let restocks = 0;
      const strike = () => {
        restocks += 1;
        if (restocks === 3) stage.redis.flush();
        else stage.script.at('after', restocked, strike);
      };
      stage.script.at('after', restocked, strike);
      await stage.until(stage.inside(one, () => closeSale(one, productId, closing)));
      expect(restocks).toBe(3);
      await stage.sleep(2 * second);
      await stage.until(stage.ask(one, order));
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

const worldsMax = 5;

describe.each(Object.keys(guards) as Guard[])('the %s', { timeout: 60_000 }, (guard) => {
  const { stock = 50, run } = schedules[guard];

  async function play(without: Guard | undefined, seed?: string): Promise<string[]> {
    const stage = await openStage(database, without, stock, seed);
    await run(stage);
    // Without its guard, it need not come to rest.
    await stage.settle(without === undefined ? undefined : 20 * second);
    return stage.problems();
  }

  test('is there: no promise is broken', async () => {
    expect(await play(undefined)).toEqual([]);
  });

  test('is taken away: a promise is broken', async () => {
    // What the end heals in one world by chance, it does not in another.
    const broken = /lost|answered twice|oversold/;
    let problems = '';
    let seed = '';
    for (let world = 1; world <= worldsMax && !broken.test(problems); world += 1) {
      seed = `written ${world}`;
      problems = (await play(guard, seed)).join('\n');
    }
    expect(problems).toMatch(broken);
    // It is for want of the guard, and not for that world.
    expect(await play(undefined, seed), seed).toEqual([]);
  });
});
