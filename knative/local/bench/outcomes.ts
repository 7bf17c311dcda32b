// What became of the purchases of a run, by the function's own count. wrk tells only how many
// answers were no success.

/** Purchases by outcome. */
export type Outcomes = ReadonlyMap<string, number>;

/** Reads a counter with a label `outcome` from metrics. */
export async function readOutcomes(metricsUrl: string, counter: string): Promise<Outcomes> {
  const response = await fetch(metricsUrl, { signal: AbortSignal.timeout(10_000) });
  return parseOutcomes(await response.text(), counter);
}

export function parseOutcomes(metrics: string, counter: string): Outcomes {
  const line = new RegExp(`^${counter}\\{[^}]*outcome="(\\w+)"[^}]*\\} ([\\d.e+]+)$`, 'gm');
  return new Map(
    [...metrics.matchAll(line)].map(([, outcome, count]) => [outcome ?? '', Number(count)]),
  );
}

/** Throws where there were others than expected between the two readings. */
export function assertOnly(expected: readonly string[], before: Outcomes, after: Outcomes): void {
  const others = [...after]
    .map(([outcome, count]) => [outcome, count - (before.get(outcome) ?? 0)] as const)
    .filter(([outcome, count]) => count > 0 && !expected.includes(outcome));
  if (others.length === 0) return;
  const list = others.map(([outcome, count]) => `${count} × ${outcome}`).join(', ');
  throw new Error(`answers other than ${expected.join(', ')}: ${list}`);
}
