// Nothing runs between sales: how long it takes until no pod of the four Services is left.

import type { Stage } from '../stage.ts';

export interface Asleep {
  readonly isZero: boolean;
  readonly seconds: number;
  /** The pods that are still there. */
  readonly left: readonly string[];
}

/** Waits until every pod has gone altogether, those that drain included. */
export async function waitForZero(stage: Stage, withinMs: number): Promise<Asleep> {
  const startedAtMs = performance.now();
  let left: string[] = [];
  const found = await stage.until(withinMs, async () => {
    left = (await stage.cluster.pods()).map(({ name }) => name);
    return left.length === 0 || undefined;
  });
  const seconds = Math.round((performance.now() - startedAtMs) / 100) / 10;
  return { isZero: found === true, seconds, left };
}
