// A steady stream of buyers who each come once, whether the earlier ones have been answered or not.

import exec from 'k6/execution';
import { gracefulStop, type Scenario } from './options.ts';
import { ask } from './purchase.ts';
import { buyerAt, productAt, run } from './run.ts';

export function steadily(perSecond: number): Scenario {
  const { virtualUsers, seconds } = run.load;
  return {
    executor: 'constant-arrival-rate',
    preAllocatedVUs: virtualUsers,
    maxVUs: virtualUsers,
    rate: perSecond,
    timeUnit: '1s',
    duration: `${seconds}s`,
    gracefulStop,
  };
}

/** The next buyer, once; the first ones may be meant for something else. */
export function buyOnce(firstBuyer = 0): void {
  const index = exec.scenario.iterationInTest;
  const buyer = buyerAt(firstBuyer + index);
  ask({ buyer, productId: productAt(index), key: 'the-only-order' });
}
