// Folds what waits at the same time into one run: items of one key are run together, in few runs
// at a time, so that a product's transactions do not queue for the same row's lock on many
// connections, and a busy product does not keep the others waiting.

/** The item waited too long for its turn and was not run. */
export class WaitedTooLong extends Error {
  override readonly name = 'WaitedTooLong';
}

export interface FoldOptions<Item, Result> {
  readonly keyOf: (item: Item) => string;
  /** A run takes items until their sizes reach `sizeMax`, and always at least one. */
  readonly sizeOf: (item: Item) => number;
  readonly sizeMax: number;
  /** Runs at a time, of all keys and of one. */
  readonly runsMax: number;
  readonly runsPerKeyMax: number;
  readonly waitMaxMs: number;
  /** Runs items of one key. One result for each; where it throws, all of them fail with that. */
  readonly run: (items: readonly Item[]) => Promise<readonly Result[]>;
}

interface Entry<Item, Result> {
  readonly item: Item;
  readonly since: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (reason: unknown) => void;
}

/** A key's items that wait for their run, and how many runs it has now. */
interface Lane<Item, Result> {
  readonly key: string;
  readonly entries: Entry<Item, Result>[];
  runs: number;
  isReady: boolean;
}

/** A function that has its item run, together with others, and resolves with the item's result. */
export function createFold<Item, Result>(
  options: FoldOptions<Item, Result>,
): (item: Item) => Promise<Result> {
  const lanes = new Map<string, Lane<Item, Result>>();
  /** Lanes that have items and may run, in the order in which they get their turn. */
  const ready: Lane<Item, Result>[] = [];
  let runs = 0;

  const makeReady = (lane: Lane<Item, Result>) => {
    if (lane.isReady || lane.entries.length === 0 || lane.runs >= options.runsPerKeyMax) return;
    lane.isReady = true;
    ready.push(lane);
  };

  const turn = async (lane: Lane<Item, Result>) => {
    const entries = takeFrom(lane.entries, options);
    makeReady(lane);
    try {
      if (entries.length > 0) await runEntries(entries, options);
    } finally {
      runs -= 1;
      lane.runs -= 1;
      makeReady(lane);
      if (lane.runs === 0 && lane.entries.length === 0) lanes.delete(lane.key);
      next();
    }
  };

  const next = () => {
    while (runs < options.runsMax) {
      const lane = ready.shift();
      if (lane === undefined) return;
      lane.isReady = false;
      runs += 1;
      lane.runs += 1;
      void turn(lane);
    }
  };

  return function fold(item) {
    return new Promise<Result>((resolve, reject) => {
      const key = options.keyOf(item);
      const lane = lanes.get(key) ?? { key, entries: [], runs: 0, isReady: false };
      lanes.set(key, lane);
      lane.entries.push({ item, since: performance.now(), resolve, reject });
      makeReady(lane);
      next();
    });
  };
}

/** Takes the next run's entries from the front of a lane, and turns away what waited too long. */
function takeFrom<Item, Result>(
  lane: Entry<Item, Result>[],
  { sizeOf, sizeMax, waitMaxMs }: FoldOptions<Item, Result>,
): Entry<Item, Result>[] {
  const taken: Entry<Item, Result>[] = [];
  const oldest = performance.now() - waitMaxMs;
  let size = 0;
  for (let entry = lane[0]; entry !== undefined; entry = lane[0]) {
    if (entry.since < oldest) {
      entry.reject(new WaitedTooLong('there was no turn in time'));
    } else {
      size += sizeOf(entry.item);
      if (taken.length > 0 && size > sizeMax) break;
      taken.push(entry);
    }
    lane.shift();
  }
  return taken;
}

async function runEntries<Item, Result>(
  entries: readonly Entry<Item, Result>[],
  { run }: FoldOptions<Item, Result>,
): Promise<void> {
  try {
    const results = await run(entries.map(({ item }) => item));
    if (results.length !== entries.length) throw new Error('a run lost a result');
    for (const [index, entry] of entries.entries()) entry.resolve(results[index] as Result);
  } catch (error) {
    for (const entry of entries) entry.reject(error);
  }
}
