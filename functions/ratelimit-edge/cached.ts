// Reads that many ask for at the same moment: one of them asks, all get its answer, and for a
// moment afterwards it is given from memory. Failures are not kept.

export interface Loaded<Value> {
  readonly value: Value;
  /** Since the answer came. */
  readonly ageMs: number;
}

interface Entry<Value> {
  readonly loading: Promise<{ value: Value; loadedAtMs: number }>;
  freshUntilMs: number;
}

/** At most `entriesMax` keys are kept, so that asking for nonsense costs no memory. */
export function createCached<Value>({
  freshMs,
  entriesMax,
  load,
  now = () => performance.now(),
}: {
  freshMs: number;
  entriesMax: number;
  load: (key: string) => Promise<Value>;
  now?: () => number;
}): (key: string) => Promise<Loaded<Value>> {
  const entries = new Map<string, Entry<Value>>();

  const start = (key: string): Entry<Value> => {
    const entry: Entry<Value> = {
      freshUntilMs: Number.POSITIVE_INFINITY,
      loading: load(key).then((value) => {
        const loadedAtMs = now();
        entry.freshUntilMs = loadedAtMs + freshMs;
        return { value, loadedAtMs };
      }),
    };
    entry.loading.catch(() => {
      if (entries.get(key) === entry) entries.delete(key);
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
    const entry = known !== undefined && known.freshUntilMs > now() ? known : start(key);
    const { value, loadedAtMs } = await entry.loading;
    return { value, ageMs: now() - loadedAtMs };
  };
}
