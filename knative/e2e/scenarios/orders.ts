// So many orders by as many people through the public route: every one is accepted, is one row,
// and `verify` finds nothing oversold, lost or sold twice.

import { servedOf } from '../judge.ts';
import { startCrowd } from '../load.ts';
import type { Found, Stage } from '../stage.ts';

/** Few enough for small clusters; more would only wait in the queues of the edge. */
const atTheSameTime = 50;

export async function orders(stage: Stage): Promise<Found> {
  const count = stage.options.orders;
  const sale = await stage.newSale({ name: 'orders', stock: count });
  const people = await sale.people(count);
  const startedAtMs = performance.now();
  await startCrowd(sale.buyers, people, atTheSameTime).done;
  const seconds = (performance.now() - startedAtMs) / 1_000;
  const served = servedOf(sale.buyers.tally);
  const settled = await sale.settle();
  const problems = [...settled.problems];
  if (served.accepted !== count) problems.push(`${served.accepted} of ${count} were accepted`);
  if (settled.figures['rows'] !== count) problems.push('not every order is a row');
  return {
    figures: { ...served, perSecond: Math.round(count / seconds), ...settled.figures },
    problems,
  };
}
