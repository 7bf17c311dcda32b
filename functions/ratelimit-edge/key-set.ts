// The issuer's public keys. A new key counts within 30 s of its first use, a withdrawn one no
// longer than 5 minutes after (cached tokens: 10); the last known keys serve on for a day while
// the issuer is away. Whatever a crowd sends, the issuer is asked at most every 30 s.

import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { readIssuerDocument } from './issuer-document.ts';

/** Nobody can tell whether a token is good: the issuer's keys are not known. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable';
}

export interface KeySetOptions {
  readonly url: URL;
  readonly now: () => number;
  /** A key was withdrawn or replaced: what it has verified counts no longer. */
  readonly onWithdrawn: () => void;
  /** The issuer did not give its keys; at most once a second, seldom when it lasts. */
  readonly onFault: (error: unknown) => void;
}

/** From this age on keys are read again while the known ones are still used … */
const refreshAfterMs = 240_000;
/** … and from this age on, as after an idle time, whoever asks waits for that. */
export const keySetFreshMs = 300_000;
const usableMs = 86_400_000;
/** How soon the issuer is asked again: for a key nobody has seen, and after a failure. */
const pauseMs = 30_000;
const firstPauseMs = 1_000;

interface Keys {
  readonly find: JWTVerifyGetKey;
  /** Each key as it was published. */
  readonly published: ReadonlySet<string>;
  readonly atMs: number;
}

/** Starts reading the keys at once. Throws `KeysUnavailable`, and jose's errors of a key set. */
export function createKeySet(options: KeySetOptions): JWTVerifyGetKey {
  const keySet = new RemoteKeys(options);
  void keySet.refresh();
  return async (header, token) => {
    const { find } = await keySet.known();
    try {
      return await find(header, token);
    } catch (error) {
      if (error instanceof errors.JWKSMultipleMatchingKeys) throw error;
      if (!(error instanceof errors.JWKSNoMatchingKey)) {
        throw new KeysUnavailable('the key cannot be used', { cause: error });
      }
      const newer = await keySet.newer();
      return newer.find(header, token);
    }
  };
}

class RemoteKeys {
  private readonly options: KeySetOptions;
  private keys: Keys | undefined;
  private pending: Promise<void> | undefined;
  private failures = 0;
  private pausedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: KeySetOptions) {
    this.options = options;
  }

  async known(): Promise<Keys> {
    const ageMs = this.ageMs();
    if (ageMs >= refreshAfterMs) {
      const refreshed = this.refresh();
      // An issuer that has just failed holds nobody up again while its last keys will do.
      const isStale = ageMs >= keySetFreshMs && this.failures === 0;
      if (isStale || ageMs >= usableMs) await refreshed;
    }
    if (this.keys === undefined || this.ageMs() >= usableMs) {
      throw new KeysUnavailable('the issuer is away');
    }
    return this.keys;
  }

  /** The keys as they are now, as far as the issuer may be asked. */
  async newer(): Promise<Keys> {
    await this.refresh();
    if (this.keys === undefined || this.failures > 0) {
      throw new KeysUnavailable('the issuer is away');
    }
    return this.keys;
  }

  /** One at a time, and none in a pause. Never rejects. */
  refresh(): Promise<void> {
    if (this.pending === undefined && this.options.now() >= this.pausedUntilMs) {
      this.pending = this.load().finally(() => {
        this.pending = undefined;
      });
    }
    return this.pending ?? Promise.resolve();
  }

  private async load(): Promise<void> {
    const { url, now, onFault } = this.options;
    try {
      this.take((await readIssuerDocument(url)) as JSONWebKeySet);
      this.failures = 0;
      this.pausedUntilMs = now() + pauseMs;
    } catch (error) {
      this.failures += 1;
      this.pausedUntilMs = now() + Math.min(pauseMs, firstPauseMs * 2 ** (this.failures - 1));
      onFault(error);
    }
  }

  private take(set: JSONWebKeySet): void {
    const atMs = this.options.now();
    const find = createLocalJWKSet(set);
    const published = new Set(set.keys.map((key) => JSON.stringify(key)));
    const before = this.keys;
    const isKept = [...(before?.published ?? [])].every((key) => published.has(key));
    // Keys that jose has imported already stay so while nothing changes.
    const isSame = before !== undefined && isKept && before.published.size === published.size;
    this.keys = isSame ? { ...before, atMs } : { find, published, atMs };
    if (!isKept) this.options.onWithdrawn();
  }

  private ageMs(): number {
    if (this.keys === undefined) return Number.POSITIVE_INFINITY;
    return this.options.now() - this.keys.atMs;
  }
}
