// Which offset of one partition may be committed: everything before it is done. Records finish
// in any order; the commit only ever moves over a contiguous run of finished ones. Pure.

interface Entry {
  readonly offset: bigint;
  isDone: boolean;
}

/** Tracks one partition during one assignment; a new assignment starts with a new tracker. */
export interface OffsetTracker {
  /** A record was taken over, in order of offsets. Call the result once it is done with. */
  received(offset: bigint): () => void;
  /** The oldest offset that is not done: what a commit says. */
  position(): bigint;
  /** The offset to commit, or undefined while it is the one committed last. */
  committable(): bigint | undefined;
  /** This offset is committed now. */
  committed(offset: bigint): void;
}

/** How many finished entries may lie before the list is cut. */
const finishedMax = 1_024;

/** A tracker of a partition whose first record in this assignment has offset `first`. */
export function createOffsetTracker(first: bigint): OffsetTracker {
  // Only what was received is waited for: a topic has gaps (transaction markers, compaction).
  let entries: Entry[] = [];
  let head = 0;
  let position = first;
  let committed = first;

  function advance(): void {
    for (let entry = entries[head]; entry !== undefined; entry = entries[head]) {
      position = entry.isDone ? entry.offset + 1n : entry.offset;
      if (!entry.isDone) break;
      head += 1;
    }
    if (head > finishedMax) {
      entries = entries.slice(head);
      head = 0;
    }
  }

  return {
    received(offset) {
      const entry: Entry = { offset, isDone: false };
      entries.push(entry);
      return () => {
        entry.isDone = true;
        advance();
      };
    },
    position: () => position,
    committable: () => (position > committed ? position : undefined),
    committed(offset) {
      committed = offset;
    },
  };
}
