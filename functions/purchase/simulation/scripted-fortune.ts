// For a written schedule: everything answers within milliseconds, but for the calls that the schedule
// names, and things happen where it says so.

import type { Call, Fate, Fortune, StoreName } from './network.ts';
import type { Process } from './virtual-time.ts';

interface Which {
  readonly process?: Process;
  readonly store?: StoreName;
  readonly step?: string;
}

interface Rule {
  readonly which: Which;
  readonly fate: Fate | undefined;
  readonly run: () => void;
  timesLeft: number;
}

export interface ScriptedFortune extends Fortune {
  /** The next such calls, one where it is not said, have this fate; `run` is called with each. */
  readonly next: (which: Which, fate: Fate | undefined, run?: () => void, times?: number) => void;
  /** The process no longer reaches the store, nor the store it, and nobody says so. */
  readonly cut: (process: Process, store: StoreName) => void;
  /** Runs it once, just before or after the effect of the next such call. */
  readonly at: (moment: 'before' | 'after', which: Which, run: () => void) => void;
}

const quick: Fate = { requestMs: 1, answerMs: 1 };
const silence: Fate = { requestMs: undefined, answerMs: undefined };

export function createScriptedFortune(): ScriptedFortune {
  const rules: Rule[] = [];
  const moments: { readonly moment: string; readonly which: Which; readonly run: () => void }[] =
    [];

  return {
    fateOf(call) {
      const rule = rules.find(({ which, timesLeft }) => timesLeft > 0 && matches(which, call));
      if (rule === undefined) return quick;
      rule.timesLeft -= 1;
      rule.run();
      return rule.fate ?? quick;
    },
    strike(call, moment) {
      const index = moments.findIndex((one) => one.moment === moment && matches(one.which, call));
      for (const { run } of index < 0 ? [] : moments.splice(index, 1)) run();
    },
    next(which, fate, run = () => undefined, times = 1) {
      rules.push({ which, fate, run, timesLeft: times });
    },
    cut(process, store) {
      rules.unshift({
        ...{ which: { process, store }, fate: silence, timesLeft: Infinity },
        run: () => undefined,
      });
    },
    at(moment, which, run) {
      moments.push({ moment, which, run });
    },
  };
}

function matches({ process, store, step }: Which, call: Call): boolean {
  return (
    (process === undefined || process === call.process) &&
    (store === undefined || store === call.store) &&
    (step === undefined || step === call.step)
  );
}
