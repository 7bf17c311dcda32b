// Folds what waits at the same time into one run: items of one key are run together, one run per
// key at a time, so that a product's transactions do not queue for the same row's lock on many
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
  /** Runs at a time, of different keys. */
  readonly runsMax: number;
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

/** A function that has its item run, together with others, and resolves with the item's result. */
export function createFold<Item, Result>(
  options: FoldOptions<Item, Result>,
): (item: Item) => Promise<Result> {
  const lanes = new Map<string, Entry<Item, Result>[]>();
  /** Keys that have items and are not running, in the order in which they get their turn. */
  const ready: string[] = [];
  let runs = 0;

  const turn = async (key: string, lane: Entry<Item, Result>[]) => {
    const entries = takeFrom(lane, options);
    try {
      if (entries.length > 0) await runEntries(entries, options);
    } finally {
      runs -= 1;
      if (lane.length > 0) ready.push(key);
      else lanes.delete(key);
      next();
    }
  };

  const next = () => {
    while (runs < options.runsMax) {
      const key = ready.shift();
      const lane = key === undefined ? undefined : lanes.get(key);
      if (key === undefined || lane === undefined) return;
      runs += 1;
      void turn(key, lane);
    }
  };

  return function fold(item) {
    return new Promise<Result>((resolve, reject) => {
      const entry = { item, since: performance.now(), resolve, reject };
      const key = options.keyOf(item);
      const lane = lanes.get(key);
      if (lane !== undefined) {
        lane.push(entry);
        return;
      }
      lanes.set(key, [entry]);
      ready.push(key);
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
