// One look at everything: what each process holds by the kernel, by its own account and by its
// metrics, and what the stores hold.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestRuntime } from '#lib/testing/runtime.ts';
import { type ProcessEntry, pidOf } from '../state.ts';
import { type ProcessFigures, readProcess } from './process-figures.ts';
import { diskMbOf, readStores, type StoreFigures } from './store-figures.ts';

export interface Sample {
  /** Since the load began. */
  readonly seconds: number;
  /** False while something is broken, and for a while afterwards. */
  readonly isCalm: boolean;
  readonly acceptedSoFar: number;
  readonly processes: readonly ProcessSample[];
  readonly stores: StoreFigures;
  /** What the folder of each process takes up. */
  readonly diskMb: Readonly<Record<string, number>>;
}

export interface ProcessSample extends ProcessFigures {
  readonly name: string;
  readonly pid: number;
  /** By the probe; only of programs of Node. */
  readonly node?: NodeFigures;
  /** Time series that its metrics have; only of functions. */
  readonly series?: number;
}

/** As probe.mjs notes them. */
export interface NodeFigures {
  /** Of the heap after a collection; null before the first. */
  readonly heapKeptMb: number | null;
  /** Of the heap, what it has from the system. */
  readonly heapTotalMb: number;
  readonly externalMb: number;
  readonly arrayBuffersMb: number;
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
  /** What keeps the event loop busy, by kind: `{"Timeout": 12}`. */
  readonly resources: Readonly<Record<string, number>>;
}

const answerMs = 2_500;

export async function takeSample(
  system: TestRuntime,
  probes: string,
): Promise<Pick<Sample, 'processes' | 'stores' | 'diskMb'>> {
  const [stores, processes] = await Promise.all([
    readStores(system),
    Promise.all(system.processes.map((one) => sampleProcess(one, probes))),
  ]);
  const folders = system.processes.map(({ name, folder }) => [name, diskMbOf(folder)] as const);
  return {
    stores,
    processes: processes.filter((one) => one !== undefined),
    diskMb: Object.fromEntries(folders),
  };
}

async function sampleProcess(
  entry: ProcessEntry,
  probes: string,
): Promise<ProcessSample | undefined> {
  const pid = pidOf(entry);
  const figures = pid === undefined ? undefined : readProcess(pid);
  if (pid === undefined || figures === undefined) return undefined;
  const node = readProbe(join(probes, `${pid}.json`));
  const series = entry.metricsPort && (await countSeries(entry.metricsPort));
  return {
    ...{ name: entry.name, pid, ...figures },
    ...(node === undefined ? {} : { node }),
    ...(series === undefined ? {} : { series }),
  };
}

function readProbe(file: string): NodeFigures | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as NodeFigures;
  } catch {
    return undefined;
  }
}

async function countSeries(port: number): Promise<number | undefined> {
  try {
    const url = `http://127.0.0.1:${port}/metrics`;
    const response = await fetch(url, { signal: AbortSignal.timeout(answerMs) });
    const lines = (await response.text()).split('\n');
    return lines.filter((line) => line !== '' && !line.startsWith('#')).length;
  } catch {
    return undefined;
  }
}
