// Twenty products on sale at the same time, each bought in its turn and sold out before the end.

import { optionsOf } from './options.ts';
import { run } from './run.ts';
import { buyOnce, steadily } from './steady.ts';

export { handleSummary } from './summary.ts';

export const options = optionsOf(
  { load: steadily(run.load.perSecond) },
  { dropped_iterations: ['count==0'] },
);

export default function buy(): void {
  buyOnce();
}
