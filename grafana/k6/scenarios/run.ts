// What this run is, as `npm run load` has prepared it, and the buyers who have tokens.

import { SharedArray } from 'k6/data';
import type { RunFile } from '../run-file.ts';

const file = __ENV['RUN'];
if (file === undefined) throw new Error('these scripts are run by: npm run load -- SCENARIO');
export const run = JSON.parse(open(file)) as RunFile;

export interface Buyer {
  readonly userId: string;
  readonly token: string;
}

// One copy for all virtual users.
const buyers = new SharedArray<string>('buyers', () => open(run.tokensFile).trim().split('\n'));

/** The nth, from 0; throws where there is none: nobody comes twice by mistake. */
export function buyerAt(index: number): Buyer {
  const [userId, token] = (buyers[index] ?? '').split(' ');
  if (userId === undefined || token === undefined) throw new Error(`there is no buyer ${index}`);
  return { userId, token };
}

/** Products in turn. */
export function productAt(index: number): string {
  const product = run.products[index % run.products.length];
  if (product === undefined) throw new Error('there is nothing on sale');
  return product;
}
