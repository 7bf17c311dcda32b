// A store that is being prepared may still be starting: what fails is tried again for a while.

import { setTimeout } from 'node:timers/promises';

const pauseMs = 1_000;

export interface Patience {
  readonly waitMs: number;
  /** Aborted by Ctrl-C. */
  readonly interrupted: AbortSignal;
  /** Tells what is waited for, the same thing only once. */
  readonly say: (text: string) => void;
}

/** What `run` resolves with, at the first time that it does; rejects with its last error. */
export async function untilDone<T>(
  what: string,
  { waitMs, interrupted, say }: Patience,
  run: () => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    try {
      return await run();
    } catch (error) {
      if (performance.now() + pauseMs > deadline || interrupted.aborted) throw error;
      say(`${what}: ${messageOf(error)}; trying again`);
    }
    await setTimeout(pauseMs, undefined, { signal: interrupted });
  }
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ');
  return error instanceof Error ? error.message : String(error);
}
