// What a check-up finds: the same shape for the stores, which `purchase` looks at, and for the
// cluster, which the command line looks at.

/** `advice` is no fault: the system works as it is, and would be better off otherwise. */
export type CheckResult = 'ok' | 'advice' | 'wrong' | 'unknown';

export interface Check {
  /** What was looked at: `Redis`, `Kafka`, `sales`, … */
  readonly area: string;
  /** Names the check within its area, for ever the same. */
  readonly name: string;
  readonly result: CheckResult;
  /** How it is. */
  readonly found: string;
  /** Why that matters, and what to do about it; of what is well neither is said. */
  readonly why?: string;
  readonly todo?: string;
}

export interface Diagnosis {
  /** When it was made, by the clock of whoever made it; ISO 8601. */
  readonly at: string;
  /** Nothing is wrong, and everything could be told. */
  readonly ok: boolean;
  readonly checks: readonly Check[];
}

/** What is not well: how it is, why that matters and what to do. */
export type Finding = Required<Pick<Check, 'found' | 'why' | 'todo'>>;

/** Makes the checks of one area. */
export function checksOf(area: string) {
  const finding = (result: CheckResult) => (name: string, told: Finding) =>
    ({ area, name, result, ...told }) satisfies Check;
  return {
    ok: (name: string, found: string): Check => ({ area, name, result: 'ok', found }),
    advice: finding('advice'),
    wrong: finding('wrong'),
    unknown: finding('unknown'),
  };
}

export function diagnosisOf(at: Date, checks: readonly Check[]): Diagnosis {
  const ok = checks.every(({ result }) => result === 'ok' || result === 'advice');
  return { at: at.toISOString(), ok, checks };
}
