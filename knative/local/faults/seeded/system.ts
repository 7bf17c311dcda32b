// A running system that faults are done to, and whether all of it is well again.

import {
  startTestRuntime,
  type TestRuntime,
  testRuntimeFolder,
  until,
} from '#lib/testing/runtime.ts';
import { belongsAgain } from '../../nodes/roles.ts';
import type { Say } from '../../say.ts';
import { type ProcessEntry, pidOf } from '../../state.ts';
import type { Nodes } from '../../topology.ts';

export interface FaultSystem {
  readonly nodes: Nodes;
  readonly folder: string;
  readonly runtime: TestRuntime;
  /** The sale that roles are about: the one that was opened last. */
  readonly productId: () => string;
  readonly setProductId: (productId: string) => void;
  /** Ends it and removes what it stored. */
  stop(): Promise<void>;
}

export async function startFaultSystem({
  nodes,
  say,
}: {
  readonly nodes: Nodes;
  readonly say: Say;
}): Promise<FaultSystem> {
  const folder = testRuntimeFolder();
  const runtime = await startTestRuntime({}, { nodes, folder, say, asPrograms: true });
  let productId = '';
  return {
    ...{ nodes, folder, runtime },
    productId: () => productId,
    setProductId(given) {
      productId = given;
    },
    stop: () => runtime.stop(),
  };
}

/** Resolves with how long it took until every process runs and belongs to the others again. */
export async function untilHealthy(system: FaultSystem, deadlineMs: number): Promise<number> {
  const startedAtMs = performance.now();
  let left: readonly ProcessEntry[] = system.runtime.processes;
  await until('everything to be well', deadlineMs, async () => {
    left = await unwell(left, system.runtime.processes);
    return left.length === 0 || undefined;
  }).catch((error: unknown) => {
    const names = left.map(({ name }) => name).join(', ');
    throw new Error(`not well after ${deadlineMs} ms: ${names}`, { cause: error });
  });
  return performance.now() - startedAtMs;
}

/** Those that do not run, or do not yet belong to the others. */
async function unwell(
  some: readonly ProcessEntry[],
  all: readonly ProcessEntry[],
): Promise<ProcessEntry[]> {
  const told = await Promise.all(
    some.map(async (one) => {
      if (pidOf(one) === undefined) return false;
      return belongsAgain(one, all).catch(() => false);
    }),
  );
  return some.filter((_, at) => told[at] !== true);
}
