// The seed's second test: 1430 requests a second for half a minute on one product, of which its
// limit lets through 1110 a second, and whose stock is seven tenths of all that is asked for.

import { optionsOf } from './options.ts';
import { run } from './run.ts';
import { buyOnce, steadily } from './steady.ts';

export { handleSummary } from './summary.ts';

export const options = optionsOf(
  { load: steadily(run.load.perSecond) },
  { answer_ms: ['p(99)<=500'], dropped_iterations: ['count==0'] },
);

export default function buy(): void {
  buyOnce();
}
