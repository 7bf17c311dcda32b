// What every measurement shares: the running system, the crowd, and the do-nothing endpoint that
// is measured before and after whatever is compared with it.

import type { Say } from '../say.ts';
import type { Buyers } from './buyers.ts';
import { cpuMsPerThousand, readCpuTimes } from './cpu.ts';
import type { Options } from './options.ts';
import type { Rate, Row } from './row.ts';
import type { System } from './system.ts';
import type { LoadResult } from './wrk.ts';

export interface Bench {
  readonly system: System;
  readonly buyers: Buyers;
  readonly options: Options;
  readonly say: Say;
  /** All measurements of the do-nothing endpoint so far. */
  readonly doNothing: Rate[];
}

/** Makes one row, or throws where the system did not do what it should. */
export type Measure = (bench: Bench) => Promise<Row>;

/** Long enough for the compiler to have seen what is hot, and for connections to be made. */
export const warmUpSeconds = 3;

const referenceProduct = 'anything';

/** Measures in turn: do-nothing, the thing, do-nothing, and so on. */
export async function compare(
  bench: Bench,
  measure: () => Promise<Rate>,
): Promise<{ rates: Rate[]; references: number[] }> {
  const rates: Rate[] = [];
  const references = [await measureDoNothing(bench)];
  for (let round = 0; round < bench.options.rounds; round += 1) {
    rates.push(await measure());
    references.push(await measureDoNothing(bench));
  }
  return { rates, references };
}

/** Answers a second of the do-nothing endpoint. */
export async function measureDoNothing({
  system,
  buyers,
  options,
  doNothing,
}: Bench): Promise<number> {
  const { connections, seconds } = options;
  const buy = (howLong: number) =>
    buyers.buy(system.doNothing.url, [referenceProduct], { connections, seconds: howLong });
  await buy(warmUpSeconds);
  const before = readCpuTimes();
  const result = await buy(seconds);
  const cpu = cpuMsPerThousand(before, readCpuTimes(), result.requests);
  assertAnswered(result);
  if (result.refused > 0) throw new Error(`do-nothing has refused ${result.refused} requests`);
  const rate = { ...rateOf(result, result.requests), cpuMsPerThousand: cpu };
  doNothing.push(rate);
  return rate.perSecond;
}

/** Throws where requests were not answered at all. */
export function assertAnswered({ requests, socketErrors }: LoadResult): void {
  if (socketErrors > 0) throw new Error(`${socketErrors} connections failed or were not answered`);
  if (requests === 0) throw new Error('nothing was answered');
}

/** So many of what is counted, in the time that wrk has measured. */
export function rateOf({ seconds, p50Ms, p99Ms }: LoadResult, count: number): Rate {
  return { perSecond: count / seconds, p50Ms, p99Ms };
}
