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

/**
 * New masters for replicas that have come to be beside theirs, as pods move: each changes places
 * with another, where that parts both.
 */
export function separate<N extends PlacedNode>(
  nodes: readonly N[],
): { readonly replica: N; readonly master: N }[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const pairs = nodes.flatMap((replica) => {
    const master = byId.get(replica.masterId ?? '');
    return master === undefined ? [] : [{ replica, master }];
  });
  const moved = new Set<string>();
  const exchanged: { replica: N; master: N }[] = [];
  for (const { replica, master } of pairs) {
    if (replica.machine !== master.machine || moved.has(replica.id)) continue;
    const other = pairs.find(
      (pair) =>
        !moved.has(pair.replica.id) &&
        pair.replica.machine !== master.machine &&
        pair.master.machine !== replica.machine,
    );
    if (other === undefined) continue;
    moved.add(replica.id).add(other.replica.id);
    exchanged.push({ replica, master: other.master }, { replica: other.replica, master });
  }
  return exchanged;
}

/**
 * Replicas that had better be masters: on a machine that has none, of a master whose machine has
 * several. A machine with most of the masters would leave nobody to vote for its replacement.
 */
export function spreadMasters<N extends PlacedNode>(nodes: readonly N[]): N[] {
  const masters = nodes.filter(({ slots }) => slots.length > 0);
  const count = new Map<string, number>();
  for (const { machine } of masters) count.set(machine, (count.get(machine) ?? 0) + 1);
  const promoted: N[] = [];
  for (const master of masters) {
    if ((count.get(master.machine) ?? 0) < 2) continue;
    const replica = nodes.find(
      ({ masterId, machine }) => masterId === master.id && !count.has(machine),
    );
    if (replica === undefined) continue;
    count.set(master.machine, (count.get(master.machine) ?? 0) - 1);
    count.set(replica.machine, 1);
    promoted.push(replica);
  }
  return promoted;
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
