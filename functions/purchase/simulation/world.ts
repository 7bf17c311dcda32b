// A whole system in one process: stores, instances, buyers and deliveries of one sale. A schedule or a
// test says what goes wrong in it; `settle` ends all faults and waits until everything has come to rest.

import { saleKeys } from '#lib/names.ts';
import { type Buyers, createBuyers } from './buyers.ts';
import { createDelivery, type Delivery, type DeliveryProfile } from './delivery.ts';
import { createEtcd } from './etcd.ts';
import { createFiles } from './files.ts';
import {
  createPersist,
  createPurchase,
  type PersistInstance,
  type PurchaseInstance,
  type Stores,
  type Without,
} from './instances.ts';
import { SimulatedKafka } from './kafka.ts';
import { type LuaEngine, luaEngine } from './lua-engine.ts';
import { SimulatedMysql } from './mysql.ts';
import type { Database } from './mysql-database.ts';
import { type Fortune, Network } from './network.ts';
import { installPatches } from './patches.ts';
import { setRandom } from './process-random.ts';
import { findBrokenPromises } from './promises.ts';
import { createRandom, type Random } from './random.ts';
import { SimulatedRedis } from './redis.ts';
import { Process, VirtualTime } from './virtual-time.ts';

export interface SaleProfile {
  readonly stock: number;
  readonly limitPerUser: number;
  readonly usersCount: number;
  readonly quantityMax: number;
}

export interface WorldOptions {
  readonly seed: string;
  readonly database: Database;
  readonly sale: SaleProfile;
  readonly delivery: DeliveryProfile;
  readonly without?: Without;
}

export const productId = 'shoe';

export interface World extends Stores {
  readonly random: Random;
  readonly buyers: Buyers;
  readonly delivery: Delivery;
  readonly purchases: PurchaseInstance[];
  readonly sinks: PersistInstance[];
  /** A new instance; on the write-ahead folder of another where it is named. */
  readonly startPurchase: (directory?: string) => PurchaseInstance;
  readonly startPersist: () => PersistInstance;
  readonly kill: (process: Process) => void;
  /** One that runs, if one does. */
  readonly anyPurchase: () => PurchaseInstance | undefined;
  /** Without faults from here on; false where it does not come to rest within this time. */
  readonly settle: (withinMs?: number) => Promise<boolean>;
  /** What is broken, in words. */
  readonly problems: () => string[];
}

/** Everything answers, within milliseconds. */
export function kindFortune(random: Random): Fortune {
  return {
    fateOf: () => ({ requestMs: random.between(0.1, 2), answerMs: random.between(0.1, 2) }),
    strike: () => undefined,
  };
}

export async function createWorld(options: WorldOptions): Promise<World> {
  installPatches();
  return build(options, await luaEngine());
}

const isRunning = ({ process }: { process: Process }) => process.state === 'running';

function build({ seed, database, sale, delivery, without = {} }: WorldOptions, lua: LuaEngine) {
  const time = new VirtualTime();
  const random = createRandom(seed);
  setRandom(time, random);
  const network = new Network(time, kindFortune(random));
  createFiles(time, network);
  database.clear();
  putOnSale(database, sale);
  const kafka = new SimulatedKafka(time, network, random);
  const mutate = without.script ?? ((source: string) => source);
  const stores: Stores = {
    ...{ time, network, kafka, without },
    etcd: createEtcd(time, network, random),
    redis: new SimulatedRedis({ time, network, random, lua, mutate }),
    mysql: new SimulatedMysql(time, network, database),
  };
  const purchases: PurchaseInstance[] = [];
  const sinks: PersistInstance[] = [];
  let names = 0;
  const newProcess = (kind: string) => {
    names += 1;
    return new Process(`${kind}-${names}`, random.between(0.97, 1.03));
  };
  const pickRunning = <T extends { process: Process }>(instances: readonly T[]) => {
    const running = instances.filter(isRunning);
    return running.length === 0 ? undefined : random.pick(running);
  };
  const buyers = createBuyers({ time, random, productId, ...sale });

  const world: World = {
    ...{ ...stores, random, purchases, sinks, buyers },
    delivery: createDelivery({
      ...{ time, random, kafka, profile: delivery },
      choose: () => pickRunning(sinks),
    }),
    startPurchase(directory) {
      const process = newProcess('purchase');
      const instance = time.inside(process, () =>
        createPurchase(stores, process, directory ?? `/simulated/${process.name}`),
      );
      purchases.push(instance);
      begin(time, instance);
      return instance;
    },
    startPersist() {
      const process = newProcess('persist');
      const sink = time.inside(process, () => createPersist(stores, process));
      sinks.push(sink);
      return sink;
    },
    kill(process) {
      if (process.state === 'dead') return;
      time.note(`${process.name} is killed`);
      time.kill(process);
      stores.mysql.processDied(process);
    },
    anyPurchase: () => pickRunning(purchases),
    settle: (withinMs = settleTimeoutMs) => settle(world, withinMs),
    problems: () => findBrokenPromises(database, productId, buyers.orders),
  };
  return world;
}

/** Starts it again until it has started; a store may be away. */
function begin(time: VirtualTime, instance: PurchaseInstance): void {
  const attempt = () => {
    instance.start().catch(() => {
      time.after(500, attempt, instance.process);
    });
  };
  time.after(1, attempt, instance.process);
}

function putOnSale(database: Database, { stock, limitPerUser }: SaleProfile): void {
  const columns = 'product_id, name, unit_price, currency, stock, unsold, limit_per_user, state';
  database.begin();
  database.run(
    `insert into products (${columns}, opens_at, generation, created_at)
     values (?, 'A shoe', 100, 'CNY', ?, ?, ?, 'on_sale', ?, 0, ?)`,
    [productId, stock, stock, limitPerUser, '2020-01-01 00:00:00', '2020-01-01 00:00:00'],
    { asArrays: false, sees: true },
  );
  database.run(
    'insert into stock_movements (product_id, kind, reference, units, at) values (?, ?, ?, ?, ?)',
    [productId, 'on_sale', 'the-first', stock, '2020-01-01 00:00:00'],
    { asArrays: false, sees: true },
  );
  database.commit();
}

const settleTimeoutMs = 300_000;

async function settle(world: World, withinMs: number): Promise<boolean> {
  const { time, network, random, purchases, sinks, buyers, delivery } = world;
  time.note('all faults end');
  network.fortune = kindFortune(random);
  for (const { process } of [...purchases, ...sinks]) {
    time.thaw(process, random.chance(0.5));
    world.redis.follow(process.name);
  }
  if (!purchases.some(isRunning)) world.startPurchase();
  if (!sinks.some(isRunning)) world.startPersist();
  delivery.calmDown();
  const untilMs = time.nowMs + withinMs;
  const endTicks = tickEvery(world, 1_000);
  // What was sent before is delivered first; then everybody asks once more.
  const isDelivered = await time.run(() => delivery.undone() === 0, untilMs);
  const isAnswered = isDelivered && (await askAll(world, untilMs));
  const atRest = isAnswered && (await time.run(() => isAtRest(world), untilMs));
  endTicks();
  return atRest && buyers.orders.every(({ said }) => said.length > 0);
}

async function askAll(world: World, untilMs: number): Promise<boolean> {
  const { time, buyers } = world;
  let open = buyers.orders.length;
  for (const order of buyers.orders) {
    void buyers.insist(world.anyPurchase, [order], 50).then(() => {
      open -= 1;
    });
  }
  return time.run(() => open === 0, untilMs);
}

/** What a PingSource does. Returns how to end it. */
export function tickEvery(world: World, intervalMs: number): () => void {
  let isOver = false;
  const tick = () => {
    if (isOver) return;
    const instance = world.anyPurchase();
    if (instance) {
      const run = () => {
        instance.tick().catch(() => undefined);
      };
      world.time.after(1, run, instance.process, 'answer');
    }
    world.time.after(intervalMs, tick);
  };
  tick();
  return () => {
    isOver = true;
  };
}

/** Nothing is pending, nothing is on its way, and the sale is loaded. */
function isAtRest({ redis, delivery }: World): boolean {
  if (delivery.undone() > 0) return false;
  const { data, runId } = redis.primary();
  const keys = saleKeys(productId);
  const sale = data.hash(keys.sale);
  return (
    data.hash(keys.outbox).size === 0 &&
    sale.get('state') !== 'loading' &&
    sale.get('run_id') === runId
  );
}
