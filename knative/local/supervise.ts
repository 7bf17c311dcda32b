// Keeps a process running: when it ends without being told to, it is started again after a pause
// that grows while it keeps ending, and once there is no file `down` in its folder any more.

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { RunningProcess } from './process.ts';
import type { Say } from './say.ts';

export interface Supervised {
  /** Ends the process and starts no other; resolves when it has ended. */
  stop(): Promise<void>;
}

const longestPauseMs = 10_000;
const lookEveryMs = 100;
/** Who ran this long had started well: the next pause is short again. */
const wellAfterMs = 30_000;

/** Watches over `running`; `startAgain` resolves with its successor, or rejects with why not. */
export function supervise(
  running: RunningProcess,
  startAgain: () => Promise<RunningProcess>,
  say: Say,
  firstPauseMs = 500,
): Supervised {
  const { name } = running;
  const stopped = new AbortController();
  const isStopped = () => stopped.signal.aborted;
  let current = running;

  async function watch(): Promise<void> {
    let pauseMs = firstPauseMs;
    while (!isStopped()) {
      const sinceMs = performance.now();
      const status = await current.exited;
      if (isStopped()) return;
      if (performance.now() - sinceMs > wellAfterMs) pauseMs = firstPauseMs;
      const pause = `${(pauseMs / 1_000).toFixed(1)} s`;
      say(name, `ended with status ${status}; starts again in ${pause} (${current.logFile})`);
      await setTimeout(pauseMs, undefined, { signal: stopped.signal }).catch(() => undefined);
      pauseMs = Math.min(pauseMs * 2, longestPauseMs);
      await whileDown(current);
      if (isStopped()) return;
      try {
        current = await startAgain();
        say(name, 'runs again');
      } catch (error) {
        say(name, error instanceof Error ? error.message : String(error));
      }
    }
  }

  /** An outage that somebody wants to last. */
  async function whileDown({ logFile }: RunningProcess): Promise<void> {
    const down = join(dirname(logFile), 'down');
    if (existsSync(down)) say(name, `stays down while there is ${down}`);
    while (existsSync(down) && !isStopped()) await setTimeout(lookEveryMs);
  }

  const watching = watch();
  return {
    async stop() {
      stopped.abort();
      await current.stop();
      await watching;
      // One that was just being started when we were told to stop.
      await current.stop();
    },
  };
}
