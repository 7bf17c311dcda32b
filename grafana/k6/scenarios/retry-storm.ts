// Far more want it than may ask, and all of them ask again with the same key: a third when they
// are told to, a third almost at once whatever they are told, and a third never see their first
// answer, as on a phone that has lost its connection.

import exec from 'k6/execution';
import { gracefulStop, optionsOf } from './options.ts';
import { askUntilTold, type Manners, politePause } from './purchase.ts';
import { buyerAt, productAt, run } from './run.ts';

export { handleSummary } from './summary.ts';

const { virtualUsers, purchasesEach, seconds } = run.load;

export const options = optionsOf(
  {
    storm: {
      executor: 'per-vu-iterations',
      vus: virtualUsers,
      iterations: purchasesEach,
      maxDuration: `${seconds}s`,
      gracefulStop,
    },
  },
  { limited: ['count>0'] },
);

/** Long enough to be sent and decided, too short for most answers. */
const lostAfterMs = 15;

const polite: Manners = { pauseSeconds: politePause };
const impatient: Manners = { pauseSeconds: () => 0.2 + Math.random() / 10 };
const disconnected: Manners = { pauseSeconds: politePause, giveUpMs: lostAfterMs };

export default function buyStubbornly(): void {
  const index = exec.scenario.iterationInTest;
  const manners = [polite, impatient, disconnected][index % 3] ?? polite;
  const purchase = { buyer: buyerAt(index), productId: productAt(index), key: 'the-only-order' };
  askUntilTold(purchase, manners);
}
