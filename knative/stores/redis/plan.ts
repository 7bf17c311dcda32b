// Who gets which slots, and who copies whom: pure, so that it can be tried on any arrangement.

import type { PlacedNode } from './nodes.ts';

export const slotCount = 16_384;

type Range = readonly [from: number, to: number];

/**
 * The slots that nobody has, shared out among `masters` nodes: those that have some already, then
 * empty ones, on as many machines as there are. Empty where every slot has its owner.
 */
export function shareSlots<N extends PlacedNode>(
  nodes: readonly N[],
  masters: number,
): { readonly node: N; readonly slots: readonly Range[] }[] {
  const owned = new Set(nodes.flatMap(({ slots }) => slots.flatMap(numbersOf)));
  if (owned.size === slotCount) return [];
  const owners = nodes.filter(({ slots }) => slots.length > 0);
  const free = nodes.filter(({ slots, role }) => slots.length === 0 && role === 'master');
  const chosen = [...owners];
  while (chosen.length < masters && free.length > 0) {
    const used = new Set(chosen.map(({ machine }) => machine));
    const elsewhere = free.findIndex(({ machine }) => !used.has(machine));
    chosen.push(...free.splice(Math.max(elsewhere, 0), 1));
  }
  if (chosen.length < masters) throw new Error(`${masters} masters need as many nodes`);
  const plan = chosen.map((node, index) => {
    const [from, to] = [index, index + 1].map((n) => Math.floor((n * slotCount) / chosen.length));
    const wanted = numbersOf([from ?? 0, (to ?? slotCount) - 1]).filter((slot) => !owned.has(slot));
    return { node, slots: rangesOf(wanted) };
  });
  return plan.filter(({ slots }) => slots.length > 0);
}

/**
 * A master for each node that has neither slots nor a master: the one with the fewest replicas,
 * on another machine where that is possible for all of them together.
 */
export function pairReplicas<N extends PlacedNode>(
  nodes: readonly N[],
): { readonly replica: N; readonly master: N }[] {
  const empty = nodes.filter(({ role, slots }) => role === 'master' && slots.length === 0);
  const masters = nodes.filter(({ slots }) => slots.length > 0);
  if (masters.length === 0) return [];
  const copies = ({ id }: N) => nodes.filter(({ masterId }) => masterId === id).length;
  const byNeed = [...masters].sort((one, other) => copies(one) - copies(other));
  const fewest = byNeed.filter((master) => byNeed[0] && copies(master) === copies(byNeed[0]));
  const turns = fewest.map((_, turn) =>
    empty.map((replica, index) => {
      const master = fewest[(index + turn) % fewest.length];
      if (master === undefined) throw new Error('there is no master');
      return { replica, master };
    }),
  );
  const together = (pairs: (typeof turns)[number]) =>
    pairs.filter(({ replica, master }) => replica.machine === master.machine).length;
  return turns.sort((one, other) => together(one) - together(other))[0] ?? [];
}

function numbersOf([from, to]: Range): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

function rangesOf(sorted: readonly number[]): Range[] {
  const ranges: [number, number][] = [];
  for (const number of sorted) {
    const last = ranges.at(-1);
    if (last?.[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges;
}
