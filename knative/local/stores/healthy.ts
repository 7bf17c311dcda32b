// Waiting for a store to do its work, bounded in time, with the reason where it doesn't.

import { setTimeout } from 'node:timers/promises';
import { secondsSince } from '../say.ts';
import type { Store } from './store.ts';

const betweenChecksMs = 100;

/**
 * Resolves when the store answers. Rejects when its process has ended, or at the deadline with
 * the last reason.
 */
export async function untilHealthy(
  store: Store,
  address: string,
  deadlineMs: number,
  exited?: Promise<number>,
): Promise<void> {
  const startedAtMs = performance.now();
  let status: number | undefined;
  void exited?.then((value) => {
    status = value;
  });
  for (;;) {
    const reason = await reasonAgainst(store, address);
    if (reason === undefined) return;
    if (status !== undefined) {
      throw new Error(`it ended with status ${status} after ${secondsSince(startedAtMs)}`);
    }
    if (performance.now() - startedAtMs > deadlineMs) {
      throw new Error(`no answer in ${secondsSince(startedAtMs)}: ${reason}`);
    }
    await setTimeout(betweenChecksMs);
  }
}

async function reasonAgainst(store: Store, address: string): Promise<string | undefined> {
  try {
    await store.check(address);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // A refused connection to several addresses has its reasons one level down, and no message.
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  if (error.message === 'fetch failed') return messageOf(error.cause);
  return error.message;
}
