// Where a process is crashed, and what has to go on for it to come by there.

import { type CrashHow, type CrashPoint, crashPoints } from '#lib/crash-point.ts';

/**
 * What leads to the point, besides buyers who buy: nothing more; a start on no state, or on the
 * state of one who was killed; a sale that Redis lost, also one whose events have no rows yet; an
 * operator who pauses the sale, adds to its stock or cancels an order; its end.
 */
export type Scene =
  | 'buying'
  | 'first-start'
  | 'restart'
  | 'loss'
  | 'loss-of-rows'
  | 'pause'
  | 'restock'
  | 'cancel'
  | 'end';

export interface CrashCase {
  readonly point: CrashPoint;
  readonly how: CrashHow;
  readonly scene: Scene;
  /** How often the process comes by before. */
  readonly passes: number;
  /** Who was frozen is followed at once by another process on the same state. */
  readonly twin: boolean;
}

/** Nobody sells while a process is frozen here: it has locked the product's row, or paused it. */
export function nobodySells({ point, scene }: CrashCase): boolean {
  if (scene === 'end' || point === 'rebuild.before-commit') return true;
  return scene === 'pause' && point === 'operate.configured';
}

const scenes: Partial<Record<CrashPoint, Scene>> = {
  'lock.recorded': 'first-start',
  'lock.lease-granted': 'first-start',
  'lock.lease-resumed': 'restart',
  'rebuild.claimed': 'loss',
  'rebuild.events-read': 'loss',
  'rebuild.published-again': 'loss-of-rows',
  'rebuild.rows-there': 'loss',
  'rebuild.before-commit': 'loss',
  'rebuild.committed': 'loss',
  'rebuild.first-chunk': 'loss',
  'rebuild.between-chunks': 'loss',
  'rebuild.before-last-chunk': 'loss',
  'rebuild.loaded': 'loss',
  'operate.before-commit': 'pause',
  'operate.committed': 'pause',
  'operate.configured': 'pause',
  'settle.before-commit': 'end',
  'settle.committed': 'end',
};

const allPoints: readonly CrashPoint[] = Object.values(crashPoints).flat();

const ofHow = (how: CrashHow): CrashCase[] =>
  allPoints.map((point) => {
    const scene = scenes[point] ?? 'buying';
    return { point, how, scene, passes: scene === 'buying' ? 2 : 0, twin: false };
  });

/** The other changes that operators make while a sale runs. */
const changes = (['kill', 'stop'] as const).flatMap((how) =>
  (['restock', 'cancel'] as const).flatMap((scene) =>
    (['operate.before-commit', 'operate.committed', 'operate.configured'] as const).map(
      (point): CrashCase => ({ point, how, scene, passes: 0, twin: false }),
    ),
  ),
);

/** While it was frozen, its successor took over its lock without waiting. */
const twins = (['lock.acquired', 'turn.before-decision', 'turn.sent'] as const).map(
  (point): CrashCase => ({ point, how: 'stop', scene: 'buying', passes: 2, twin: true }),
);

/** Each point with each way to crash. */
export const allCases: readonly CrashCase[] = [
  ...ofHow('kill'),
  ...ofHow('stop'),
  ...changes,
  ...twins,
];

/** Those that run with every `npm test`: where a mistake would cost an order or a unit. */
export const fewCases: readonly CrashCase[] = [
  ...ofHow('kill').filter(({ point }) =>
    ['turn.decided', 'turn.sent', 'rebuild.committed', 'persist.inserted'].includes(point),
  ),
  ...ofHow('stop').filter(({ point }) => ['turn.before-decision', 'turn.sent'].includes(point)),
  ...twins.slice(1, 2),
];
