// What becomes of calls while there are faults: slow, refused, done without an answer, done long after the
// caller gave up; and now and then the caller is struck just before or just after the effect.

import type { Call, Fate, Fortune, StoreName } from './network.ts';
import type { Random } from './random.ts';
import type { Troubles } from './troubles.ts';
import type { VirtualTime } from './virtual-time.ts';

/** Probabilities for each call. */
export interface FortuneProfile {
  readonly slow: number;
  readonly refused: number;
  readonly answerLost: number;
  readonly late: number;
  /** That the caller crashes or freezes around the effect. */
  readonly strike: number;
}

interface Options {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly profile: FortuneProfile;
  readonly troubles: Troubles;
}

const usualMs: Readonly<Record<StoreName, number>> = {
  etcd: 4,
  redis: 1,
  kafka: 6,
  mysql: 3,
  disk: 1,
};

export function createUnkindFortune({ time, random, profile, troubles }: Options): Fortune {
  const fateOf = ({ store, step }: Call): Fate => {
    const requestMs = random.between(0.1, usualMs[store]);
    const answerMs = random.between(0.1, usualMs[store]);
    // The disk is in the same machine: who loses it is gone as a whole.
    if (store === 'disk') return { requestMs, answerMs };
    if (troubles.isAway(store)) return random.pick([refusal(random), { ...nothing }]);
    // The stream of watches breaks less often than single calls fail.
    if (step === 'watch' && random.chance(0.9)) return { requestMs, answerMs };
    if (random.chance(profile.refused)) return refusal(random);
    if (random.chance(profile.answerLost)) {
      return { requestMs, answerMs: undefined, breaksAfterMs: random.between(1, 1_500) };
    }
    if (random.chance(profile.late)) {
      const lateMs = random.between(500, store === 'mysql' ? 6_000 : 20_000);
      return { requestMs: lateMs, answerMs: undefined, breaksAfterMs: random.between(1, 1_500) };
    }
    if (!random.chance(profile.slow)) return { requestMs, answerMs };
    return { requestMs: random.between(1, 4_000), answerMs: random.between(1, 4_000) };
  };
  return {
    fateOf,
    strike(call, moment) {
      if (call.process.state !== 'running' || !random.chance(profile.strike)) return;
      const { name } = call.process;
      time.note(`${name} is struck ${moment} ${call.step}`);
      troubles.strike(call.process, `${moment} ${call.step}`);
    },
  };
}

/** No answer, ever, and no word of it: those who set no time-out wait for their own deadline. */
const nothing: Fate = { requestMs: undefined, answerMs: undefined, breaksAfterMs: 10_000 };

function refusal(random: Random): Fate {
  return { requestMs: undefined, answerMs: undefined, breaksAfterMs: random.between(0.1, 50) };
}
