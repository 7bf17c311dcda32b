// Tells a screen reader about the opening at a few moments, instead of every second. Pure.

import type { Texts } from './texts.ts';

const moments = [60, 10] as const;

/** Given the time left again and again, says what is worth saying when a moment is crossed. */
export function openingAnnouncer(texts: Texts): (leftMs: number) => string | undefined {
  let before: number | undefined;
  return (leftMs) => {
    const previous = before;
    before = leftMs;
    if (previous === undefined) return undefined;
    const crossed = (ms: number) => previous > ms && leftMs <= ms;
    if (crossed(0)) return texts.announceOpen;
    if (crossed(moments[1] * 1_000)) return texts.announceSeconds(moments[1]);
    if (crossed(moments[0] * 1_000)) return texts.announceMinute;
    return undefined;
  };
}
