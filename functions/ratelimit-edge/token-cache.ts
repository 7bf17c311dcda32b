// What verified tokens say, remembered so that a buyer's second request costs no signature check.
// Bounded in memory by the length of the tokens, whatever is sent; the least used go first.

export interface TokenCache<Value> {
  get(token: string): Value | undefined;
  /** `endsAtMs`: when the token itself ends (epoch). */
  set(token: string, value: Value, endsAtMs: number): void;
  /** Forgets all. */
  clear(): void;
}

/** About 100,000 tokens of common length, and less than 100 MB of memory for any. */
const charactersMaxByDefault = 48 * 1_024 * 1_024;
/** What an entry needs beside its token: without it short tokens would cost what nobody counts. */
const charactersOfEntry = 200;

/** Nothing is remembered longer than `rememberMs`, so that a withdrawn key stops counting. */
export function createTokenCache<Value>({
  rememberMs,
  now,
  charactersMax = charactersMaxByDefault,
}: {
  rememberMs: number;
  now: () => number;
  charactersMax?: number;
}): TokenCache<Value> {
  // A Map keeps the order of insertion: what is used is put back at the end.
  const entries = new Map<string, { value: Value; untilMs: number }>();
  // Kept from one eviction to the next: a new one would pass over all that was deleted before it.
  let byAge = entries.keys();
  let characters = 0;

  const forget = (token: string) => {
    if (entries.delete(token)) characters -= weightOf(token);
  };

  return {
    get(token) {
      const entry = entries.get(token);
      if (entry === undefined) return undefined;
      forget(token);
      if (entry.untilMs <= now()) return undefined;
      entries.set(token, entry);
      characters += weightOf(token);
      return entry.value;
    },
    set(token, value, endsAtMs) {
      forget(token);
      entries.set(token, { value, untilMs: Math.min(endsAtMs, now() + rememberMs) });
      characters += weightOf(token);
      while (characters > charactersMax) {
        const oldest = byAge.next();
        if (oldest.done) byAge = entries.keys();
        else forget(oldest.value);
      }
    },
    clear() {
      entries.clear();
      byAge = entries.keys();
      characters = 0;
    },
  };
}

function weightOf(token: string): number {
  return token.length + charactersOfEntry;
}
