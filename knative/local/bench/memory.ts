// How much memory an instance holds, by its own metrics.

import { setTimeout } from 'node:timers/promises';

/** In MB of 10^6 bytes. */
export interface Memory {
  readonly residentMb: number;
  readonly heapUsedMb: number;
}

/** Takes a sample once a second while `work` goes on; `seconds` since the first. */
export async function sampleWhile<Result, Sample>(
  work: Promise<Result>,
  take: () => Promise<Sample>,
): Promise<{ result: Result; samples: (Sample & { readonly seconds: number })[] }> {
  const samples: (Sample & { seconds: number })[] = [];
  const startedAtMs = performance.now();
  const over = work.then(
    () => 'over' as const,
    () => 'over' as const,
  );
  do {
    const seconds = (performance.now() - startedAtMs) / 1_000;
    samples.push({ ...(await take()), seconds });
  } while ((await Promise.race([over, setTimeout(1_000)])) !== 'over');
  return { result: await work, samples };
}

export async function readMemory(metricsUrl: string): Promise<Memory> {
  const response = await fetch(metricsUrl, { signal: AbortSignal.timeout(10_000) });
  const text = await response.text();
  return {
    residentMb: megabytes(text, 'process_resident_memory_bytes'),
    heapUsedMb: megabytes(text, 'nodejs_heap_size_used_bytes'),
  };
}

function megabytes(metrics: string, gauge: string): number {
  const found = new RegExp(`^${gauge}(?:\\{[^}]*\\})? ([\\d.e+]+)$`, 'm').exec(metrics);
  if (found === null) throw new Error(`the metrics have no ${gauge}`);
  return Number(found[1]) / 1e6;
}
