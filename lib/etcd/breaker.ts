// Keeps calls away from an etcd member that does not answer, and lets one through every
// `halfOpenAfterMs` to find out whether it is back. By a monotonic clock: a wall clock set back
// must not keep a healthy member locked out.

/** The member failed again and again a moment ago, so it was not asked. */
export class CircuitOpen extends Error {
  override readonly name = 'CircuitOpen';
}

export interface Breaker {
  /** Runs the call, or fails at once with CircuitOpen. */
  readonly execute: <T>(call: () => PromiseLike<T> | T) => Promise<T>;
}

export interface BreakerOptions {
  /** So many failures in a row open the circuit. */
  readonly failuresMax: number;
  /** Then one call in this time is let through, until one succeeds. */
  readonly halfOpenAfterMs: number;
  /** Whether an error says something about the member, not about the call. */
  readonly isFailure: (error: unknown) => boolean;
  readonly now?: () => number;
}

export function createBreaker(options: BreakerOptions): Breaker {
  const { failuresMax, halfOpenAfterMs, isFailure, now = () => performance.now() } = options;
  let failures = 0;
  let nextProbeMs = 0;

  return {
    execute: async (call) => {
      if (failures >= failuresMax) {
        if (now() < nextProbeMs) throw new CircuitOpen('not asked: it failed a moment ago');
        nextProbeMs = now() + halfOpenAfterMs;
      }
      try {
        const result = await call();
        failures = 0;
        return result;
      } catch (error) {
        if (isFailure(error)) {
          failures += 1;
          nextProbeMs = now() + halfOpenAfterMs;
        } else {
          failures = 0;
        }
        throw error;
      }
    },
  };
}
