// Waiting for a process of ours to say over HTTP that it is ready.

import { setTimeout } from 'node:timers/promises';
import { lastLines } from './last-lines.ts';
import type { RunningProcess } from './process.ts';

const answerMs = 2_000;
const betweenTriesMs = 50;

/**
 * Resolves when `url` answers 200. When the process ends, or at the deadline, it is stopped and
 * the rejection says why, with the end of its log.
 */
export async function untilReady(
  running: RunningProcess,
  url: string,
  deadlineMs: number,
): Promise<void> {
  let ended: number | undefined;
  void running.exited.then((status) => {
    ended = status;
  });
  const deadline = performance.now() + deadlineMs;
  while (!(await isReady(url))) {
    if (ended === undefined && performance.now() < deadline) {
      await setTimeout(betweenTriesMs);
      continue;
    }
    await running.stop();
    const why =
      ended === undefined
        ? `was not ready within ${deadlineMs / 1_000} s`
        : `ended with status ${ended}`;
    throw new Error(
      `${running.name} ${why}. The end of ${running.logFile}:\n${lastLines(running.logFile)}`,
    );
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(answerMs) });
    await response.body?.cancel();
    return response.status === 200;
  } catch {
    return false;
  }
}
