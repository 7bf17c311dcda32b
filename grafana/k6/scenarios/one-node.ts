// The seed's first test: 1000 virtual users up to 3000 requests a second, and then so many for
// half a minute, whether the earlier ones have been answered or not. Everybody comes once.

import exec from 'k6/execution';
import { gracefulStop, optionsOf } from './options.ts';
import { ask } from './purchase.ts';
import { buyerAt, productAt, run } from './run.ts';

export { handleSummary } from './summary.ts';

const { virtualUsers, perSecond, rampSeconds, seconds } = run.load;

export const options = optionsOf(
  {
    load: {
      executor: 'ramping-arrival-rate',
      preAllocatedVUs: virtualUsers,
      maxVUs: virtualUsers,
      startRate: 0,
      stages: [
        { target: perSecond, duration: `${rampSeconds}s` },
        { target: perSecond, duration: `${seconds}s` },
      ],
      gracefulStop,
    },
  },
  { answer_ms: ['p(99)<=500'], dropped_iterations: ['count==0'] },
);

export default function buyOnce(): void {
  const index = exec.scenario.iterationInTest;
  ask({ buyer: buyerAt(index), productId: productAt(index), key: 'the-only-order' });
}
