// Reads that many ask for at the same moment: one of them asks, all get its answer, and for a
// moment afterwards it is given from memory. So is a failure; and while it is looked whether it has
// passed, nobody else waits for that. However many ask, and however slowly it fails, they are few.

import { Unavailable } from './unavailable.ts';

export interface Loaded<Value> {
  readonly value: Value;
  /** Since the answer came. */
  readonly ageMs: number;
}

interface Entry<Value> {
  readonly loading: Promise<{ value: Value; loadedAtMs: number }>;
  freshUntilMs: number;
  isLoading: boolean;
  /** Why it failed; of one that is loading, why the one before it did. */
  failure: Error | undefined;
}

export interface CachedOptions<Value> {
  readonly freshMs: number;
  /** So many keys are kept, so that asking for nonsense costs no memory. */
  readonly entriesMax: number;
  /** So many are loaded at once; further ones are `Unavailable`. */
  readonly loadingMax?: number;
  readonly load: (key: string) => Promise<Value>;
  readonly now?: () => number;
}

/** Rejects with what `load` rejects with. */
export function createCached<Value>({
  freshMs,
  entriesMax,
  loadingMax = Number.POSITIVE_INFINITY,
  load,
  now = () => performance.now(),
}: CachedOptions<Value>): (key: string) => Promise<Loaded<Value>> {
  const entries = new Map<string, Entry<Value>>();
  let loadingNow = 0;

  const start = (key: string, before: Entry<Value> | undefined): Entry<Value> => {
    if (loadingNow >= loadingMax) throw new Unavailable('too much is asked at once');
    loadingNow += 1;
    const ended = (failure?: Error) => {
      loadingNow -= 1;
      entry.isLoading = false;
      entry.failure = failure;
      entry.freshUntilMs = now() + freshMs;
    };
    const entry: Entry<Value> = {
      ...{ freshUntilMs: Number.POSITIVE_INFINITY, isLoading: true, failure: before?.failure },
      loading: load(key).then((value) => {
        ended();
        return { value, loadedAtMs: now() };
      }),
    };
    entry.loading.catch((error: unknown) => {
      ended(error instanceof Error ? error : new Error(String(error)));
    });
    // Back at the end: the Map's order tells which was asked for longest ago.
    entries.delete(key);
    entries.set(key, entry);
    for (const oldest of entries.keys()) {
      if (entries.size <= entriesMax) break;
      entries.delete(oldest);
    }
    return entry;
  };

  return async (key) => {
    const known = entries.get(key);
    const isFresh = known !== undefined && known.freshUntilMs > now();
    const entry = isFresh ? known : start(key, known);
    if (isFresh && known.isLoading && known.failure !== undefined) throw known.failure;
    const { value, loadedAtMs } = await entry.loading;
    return { value, ageMs: now() - loadedAtMs };
  };
}
