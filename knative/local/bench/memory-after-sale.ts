// What each function holds after a sale in which it took part. Wanted: 120 MB.

import type { Measure } from './bench.ts';
import { acceptWithSinks } from './buy.ts';
import { readMemory } from './memory.ts';
import { round } from './row.ts';

/** The rate of the sale that came before is in the row, too. */
export const memoryAfterSale: Measure = async (bench) => {
  const row = await acceptWithSinks(bench);
  const { edge, purchase, persistOrder, updateRank } = bench.system;
  const functions = {
    'ratelimit-edge': edge,
    purchase,
    'persist-order': persistOrder,
    'update-rank': updateRank,
  };
  const residentMb = await Promise.all(
    Object.entries(functions).map(async ([name, { metricsUrl }]) => {
      const { residentMb: resident } = await readMemory(metricsUrl);
      return [name, round(resident, 1)] as const;
    }),
  );
  return { ...row, name: 'memory-after-sale', residentMb: Object.fromEntries(residentMb) };
};
