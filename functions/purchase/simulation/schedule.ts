// One random schedule: the seed decides the sale, the buyers, which faults there are and when. Some kinds
// of faults are left out of each schedule, so that the others get further.

import type { DeliveryProfile } from './delivery.ts';
import type { Without } from './instances.ts';
import type { Database } from './mysql-database.ts';
import { createRandom, type Random } from './random.ts';
import { type TroubleProfile, Troubles } from './troubles.ts';
import { createUnkindFortune, type FortuneProfile } from './unkind-fortune.ts';
import { createWorld, type SaleProfile, tickEvery, type World } from './world.ts';

export interface ScheduleResult {
  readonly seed: string;
  /** What is broken, in words; empty where all promises were kept. */
  readonly problems: readonly string[];
  readonly trace: readonly string[];
  readonly traceHash: string;
  readonly virtualMs: number;
  /** For the summary: what happened how often. */
  readonly counts: ReadonlyMap<string, number>;
}

interface Profile {
  readonly sale: SaleProfile;
  readonly delivery: DeliveryProfile;
  readonly fortune: FortuneProfile;
  readonly troubles: TroubleProfile;
  readonly faultsForMs: number;
  readonly purchases: number;
  readonly sinks: number;
  readonly visits: number;
}

/** Runs one schedule to its end and judges it. */
export async function runSchedule(
  seed: string,
  database: Database,
  without: Without = {},
): Promise<ScheduleResult> {
  const profile = profileOf(createRandom(`profile ${seed}`));
  const { sale, delivery } = profile;
  const world = await createWorld({ seed, database, sale, delivery, without });
  const { time, network, random } = world;
  for (let count = 0; count < profile.purchases; count += 1) world.startPurchase();
  for (let count = 0; count < profile.sinks; count += 1) world.startPersist();
  const troubles = new Troubles(world, profile.troubles);
  network.fortune = createUnkindFortune({ time, random, profile: profile.fortune, troubles });
  const endTicks = tickEvery(world, random.between(2_000, 8_000));
  const isVisited = visitAll(world, profile);
  troubles.begin();
  await time.run(() => false, profile.faultsForMs);
  troubles.end();
  endTicks();
  const isSettled = (await time.run(isVisited, time.nowMs + 200_000)) && (await world.settle());
  const problems = world.problems();
  if (!isSettled) problems.push('it did not come to rest');
  for (const event of world.delivery.refused) problems.push(`refused: ${event.headers['ce_id']}`);
  for (const problem of problems) time.note(problem);
  return {
    ...{ seed, problems, trace: time.trace, traceHash: time.traceHash(), virtualMs: time.nowMs },
    counts: new Map([...network.stepsDone, ...troubles.counts, ...answersIn(world)]),
  };
}

/** All buyers come during the faults. Returns whether all have gone. */
function visitAll(world: World, { visits, faultsForMs }: Profile): () => boolean {
  const { time, random, buyers } = world;
  let open = visits;
  const visit = async () => {
    // Some share a request, as the edge makes it.
    const orders = Array.from({ length: 1 + random.below(3) }, () => buyers.order());
    await buyers.insist(world.anyPurchase, orders, 1 + random.below(12));
    while (random.chance(0.3)) {
      await time.sleep(random.between(0, 10_000));
      await buyers.insist(world.anyPurchase, [random.pick(orders)], 1);
    }
  };
  for (let count = 0; count < visits; count += 1) {
    time.after(random.between(0, faultsForMs), () => {
      void visit().then(() => {
        open -= 1;
      });
    });
  }
  return () => open === 0;
}

function answersIn({ buyers }: World): [string, number][] {
  const said = buyers.orders.flatMap((order) => order.said.map(({ answer }) => answer.outcome));
  const groups = Map.groupBy(said, (outcome) => outcome);
  return [...groups].map(([outcome, all]) => [`answer ${outcome}`, all.length]);
}

function profileOf(random: Random): Profile {
  /** Absent in some schedules, rare in some, frequent in others. */
  const rate = (most: number) => random.pick([0, 0, most / 10, most / 3, most]);
  return {
    sale: {
      stock: random.pick([1, 3, 8, 20, 100]),
      limitPerUser: random.pick([1, 2, 5]),
      usersCount: random.pick([3, 10, 50]),
      quantityMax: random.pick([1, 2, 3]),
    },
    delivery: {
      slow: rate(0.5),
      repeated: rate(0.5),
      answerLost: rate(0.3),
      retriesMax: random.pick([2, 8, 50]),
    },
    fortune: {
      slow: rate(0.05),
      refused: rate(0.02),
      answerLost: rate(0.05),
      late: rate(0.05),
      strike: rate(0.02),
    },
    troubles: {
      everyMs: random.pick([1_500, 4_000, 10_000]),
      weights: {
        crash: rate(1),
        freeze: rate(1),
        leave: rate(0.3),
        clock: rate(0.3),
        outage: rate(0.5),
        'redis lost': rate(1),
        'redis key lost': rate(0.3),
        'redis fail-over': rate(0.7),
        'etcd replaced': rate(0.3),
        'lease lost': rate(0.5),
        'leaders moved': rate(1),
      },
    },
    faultsForMs: random.between(10_000, 45_000),
    purchases: 1 + random.below(3),
    sinks: 1 + random.below(2),
    visits: 4 + random.below(16),
  };
}
