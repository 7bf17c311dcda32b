// One user presses again and again, each time with another key, among a crowd of whom each comes
// once. The tier `user` stops the one; the crowd does not notice.

import exec from 'k6/execution';
import { optionsOf } from './options.ts';
import { ask } from './purchase.ts';
import { buyerAt, productAt, run } from './run.ts';
import { buyOnce, steadily } from './steady.ts';

export { handleSummary } from './summary.ts';

const { perSecond, hotPerSecond } = run.load;

export const options = optionsOf(
  {
    crowd: { ...steadily(perSecond), exec: 'crowd' },
    hot: { ...steadily(hotPerSecond), exec: 'hot' },
  },
  { 'limited{scenario:crowd}': ['count==0'], dropped_iterations: ['count==0'] },
);

export function crowd(): void {
  buyOnce(1);
}

export function hot(): void {
  const index = exec.scenario.iterationInTest;
  ask({
    buyer: buyerAt(0),
    productId: productAt(0),
    key: `again-${String(index).padStart(6, '0')}`,
  });
}
