// The log of runs: a line of JSON each, which says all that is needed to have the run again, and
// what came of it.

import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Nodes } from '../../topology.ts';
import type { Plan } from './plan.ts';

export interface Result {
  readonly seed: number;
  readonly nodes: Nodes;
  readonly plan: Plan;
  readonly productId: string;
  /** In the order of the plan. */
  readonly faults: readonly DoneFault[];
  /** From the last fault's end until every process belonged to the others again. */
  readonly healthyAfterMs: number;
  /** Buyers, by what they were told in the end. */
  readonly accepted: number;
  readonly refused: number;
  readonly unserved: number;
  /** Answers that no buyer should get, by what they were. */
  readonly unclean: Readonly<Record<string, number>>;
  /** The longest in which no buyer at all was told anything, from before the first fault on. */
  readonly nobodyToldMs: number;
  /** The longest that one buyer asked until it was known. */
  readonly worstMs: number;
  /** Null where it could not be found out, which is a problem. */
  readonly oversold: number | null;
  readonly lost: number | null;
  /** Empty where every promise was kept. */
  readonly problems: readonly string[];
  readonly tookMs: number;
}

export interface DoneFault {
  /** As the plan names it. */
  readonly fault: string;
  /** Who had that part then; empty where it was not done. */
  readonly process: string;
  /** Why: nobody had it, since another fault was going on. */
  readonly notDone?: string;
}

export interface Line extends Result {
  /** What repeats it. */
  readonly command: string;
  readonly commit: string;
  readonly at: string;
}

export function writeLine(file: string, line: Line): void {
  mkdirSync(dirname(file), { recursive: true });
  appendFileSync(file, `${JSON.stringify(line)}\n`);
}

export function readLines(file: string): Line[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}
