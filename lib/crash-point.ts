// Places on the way of an order at which a test may kill or freeze the process, to prove that
// whatever comes after makes it good. Nothing happens there unless the process is told to by its
// environment, and nothing of it is in the bundles that are deployed (knative/local/build.ts).

/** All of them, by the function whose process they are in, in the order an order passes them. */
export const crashPoints = {
  'ratelimit-edge': ['edge.admitted', 'edge.purchase-answered'],
  purchase: [
    // The lock and its write-ahead record.
    'lock.recorded',
    'lock.lease-granted',
    'lock.lease-resumed',
    'lock.queued',
    'lock.acquired',
    'lock.before-release',
    'lock.released',
    // A turn.
    'turn.before-decision',
    'turn.decided',
    'turn.before-send',
    'turn.sent',
    'turn.outbox-removed',
    'turn.answered',
    // A rebuild.
    'rebuild.claimed',
    'rebuild.events-read',
    'rebuild.published-again',
    'rebuild.rows-there',
    'rebuild.before-commit',
    'rebuild.committed',
    'rebuild.first-chunk',
    'rebuild.between-chunks',
    'rebuild.before-last-chunk',
    'rebuild.loaded',
    // An operator's change.
    'operate.before-commit',
    'operate.committed',
    'operate.configured',
    'settle.before-commit',
    'settle.committed',
  ],
  'persist-order': ['persist.inserted', 'persist.locked', 'persist.committed'],
  'update-rank': ['rank.recorded', 'rank.before-record'],
} as const;

export type CrashPoint = (typeof crashPoints)[keyof typeof crashPoints][number];

/** Ends the process at once, as a crash does, or freezes it until SIGCONT. */
export type CrashHow = 'kill' | 'stop';

let passed = 0;

/**
 * Acts where `SECKILL_CRASH_POINT` is `<name>:<how>:<n>` with this name, at the (n + 1)th pass.
 * The signal takes effect before this returns; another line is not run.
 */
export function crashPoint(name: CrashPoint): void {
  // Written out, so that the bundler sees a condition that never holds.
  if (process.env.SECKILL_CRASH_POINT !== undefined) pass(name, process.env.SECKILL_CRASH_POINT);
}

function pass(name: CrashPoint, told: string): void {
  const [armed, how, passesBefore] = told.split(':');
  if (armed !== name) return;
  passed += 1;
  if (passed !== Number(passesBefore) + 1) return;
  process.kill(process.pid, how === 'stop' ? 'SIGSTOP' : 'SIGKILL');
}

/** The TTL of a lock: a test that freezes its holder past it need not wait for long. */
export function lockTtlOr(ttlMs: number): number {
  return Number(process.env.SECKILL_CRASH_LOCK_TTL_MS ?? ttlMs);
}
