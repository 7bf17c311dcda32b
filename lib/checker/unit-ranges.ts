// Arithmetic on ranges of unit numbers. It never walks through single units, so that a corrupt
// range of a billion units costs nothing.

import { type UnitRange, unitsIn } from '#lib/order-event.ts';

/** Whether these are ranges of unit numbers at all. */
export function areRanges(ranges: readonly UnitRange[]): boolean {
  return ranges.every(
    ([first, last]) =>
      Number.isSafeInteger(first) && Number.isSafeInteger(last) && first >= 1 && first <= last,
  );
}

/** How many units are claimed that are not there, or that another range claims too. */
export function unitsTooMany(ranges: readonly UnitRange[], stock: number): number {
  let distinct = 0;
  let counted = 0;
  for (const [first, last] of [...ranges].sort(([a], [b]) => a - b)) {
    const from = Math.max(first, counted + 1);
    const upTo = Math.min(last, stock);
    if (upTo < from) continue;
    distinct += upTo - from + 1;
    counted = upTo;
  }
  return unitsIn(ranges) - distinct;
}

/** Units that more than one range claims, each counted once per claim too many. */
export function unitsTwice(ranges: readonly UnitRange[]): number {
  return unitsTooMany(ranges, Number.MAX_SAFE_INTEGER);
}

/** Whether both hold the same units, however they are cut into ranges. */
export function sameUnits(some: readonly UnitRange[], others: readonly UnitRange[]): boolean {
  return isSameList(some, others) || normal(some) === normal(others);
}

/** As it nearly always is. */
function isSameList(some: readonly UnitRange[], others: readonly UnitRange[]): boolean {
  return (
    some.length === others.length &&
    some.every(([first, last], at) => first === others[at]?.[0] && last === others[at][1])
  );
}

function normal(ranges: readonly UnitRange[]): string {
  const joined: [number, number][] = [];
  for (const [first, last] of [...ranges].sort(([a], [b]) => a - b)) {
    const before = joined.at(-1);
    if (before?.[1] === first - 1) before[1] = last;
    else joined.push([first, last]);
  }
  return JSON.stringify(joined);
}
