// From zero: with no pod of any of the four Services, a buyer's first purchase is accepted within
// three seconds of pressing the button. Twice asleep counts: the edge wakes purchase.

import { quantile } from '../judge.ts';
import type { Found, Sale, Stage } from '../stage.ts';
import { waitForZero } from './zero.ts';

const acceptedWithinMs = 3_000;
/** After the last request: window, grace and the half a minute in which Knative drains. */
const asleepWithinMs = 240_000;

export async function fromZero(stage: Stage): Promise<Found> {
  const { tries } = stage.options;
  // It opens by itself: `sale open` would make the tick, which keeps purchase awake.
  const sale = await stage.newSale({ name: 'zero', stock: tries + 1, opens: 'now' });
  const people = await sale.people(tries + 1);
  // The first buyer loads the sale; afterwards it is there, however long everything sleeps.
  await buyOnce(sale, people);
  const tookMs: number[] = [];
  const problems: string[] = [];
  for (let count = 1; count <= tries; count += 1) {
    const asleep = await waitForZero(stage, asleepWithinMs);
    if (!asleep.isZero) {
      problems.push(`pods are left after ${asleepWithinMs / 1_000} s: ${asleep.left.join(', ')}`);
      break;
    }
    const purchase = await buyOnce(sale, people);
    stage.say(`try ${count}: ${purchase.told.kind} after ${Math.round(purchase.tookMs)} ms`);
    if (purchase.told.kind === 'accepted') tookMs.push(Math.round(purchase.tookMs));
    else problems.push(`try ${count} was ${purchase.told.kind}`);
  }
  const late = tookMs.filter((ms) => ms > acceptedWithinMs);
  if (late.length > 0) problems.push(`later than ${acceptedWithinMs} ms: ${late.join(', ')} ms`);
  const settled = await sale.settle();
  return {
    figures: {
      firstAcceptedMs: tookMs,
      medianMs: quantile(tookMs, 0.5),
      worstMs: quantile(tookMs, 1),
      ...settled.figures,
    },
    problems: [...problems, ...settled.problems],
  };
}

async function buyOnce(sale: Sale, people: Iterator<Parameters<Sale['buyers']['buy']>[0]>) {
  const next = people.next();
  if (next.done === true) throw new Error('there are no more buyers');
  return sale.buyers.buy(next.value);
}
