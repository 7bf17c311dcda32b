// The issuer's public keys. A new key counts within 30 s of its first use, a withdrawn one no
// longer than 5 minutes after (cached tokens: 10); the last known keys serve on for a day while
// the issuer is away. Whatever a crowd sends, the issuer is asked at most every 30 s.

import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { IssuerDocument, type IssuerDocumentOptions } from './issuer-document.ts';

/** Nobody can tell whether a token is good: the issuer's keys are not known. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable';
}

export interface KeySetOptions extends Omit<IssuerDocumentOptions<Keys>, 'parse'> {
  /** A key was withdrawn or replaced: what it has verified counts no longer. */
  readonly onWithdrawn: () => void;
}

/** From this age on keys are read again while the known ones are still used … */
const refreshAfterMs = 240_000;
/** … and from this age on, as after an idle time, whoever asks waits for that. */
export const keySetFreshMs = 300_000;
const usableMs = 86_400_000;

interface Keys {
  readonly find: JWTVerifyGetKey;
  /** Each key as it was published. */
  readonly published: ReadonlySet<string>;
}

/** Starts reading the keys at once. Throws `KeysUnavailable`, and jose's errors of a key set. */
export function createKeySet({ onWithdrawn, ...options }: KeySetOptions): JWTVerifyGetKey {
  const document = new IssuerDocument<Keys>({
    ...options,
    parse(set, before) {
      const keys = keysOf(set as JSONWebKeySet);
      const isKept = [...(before?.published ?? [])].every((key) => keys.published.has(key));
      if (!isKept) onWithdrawn();
      // Keys that jose has imported already stay so while nothing changes.
      return isKept && before?.published.size === keys.published.size ? before : keys;
    },
  });
  void document.refresh();
  return async (header, token) => {
    const { find } = await usableKeys(document);
    try {
      return await find(header, token);
    } catch (error) {
      if (error instanceof errors.JWKSMultipleMatchingKeys) throw error;
      if (!(error instanceof errors.JWKSNoMatchingKey)) {
        throw new KeysUnavailable('the key cannot be used', { cause: error });
      }
      return (await newerKeys(document)).find(header, token);
    }
  };
}

async function usableKeys(document: IssuerDocument<Keys>): Promise<Keys> {
  const ageMs = document.ageMs();
  if (ageMs >= refreshAfterMs) {
    const refreshed = document.refresh();
    // An issuer that has just failed holds nobody up again while its last keys will do.
    const isStale = ageMs >= keySetFreshMs && document.failures === 0;
    if (isStale || ageMs >= usableMs) await refreshed;
  }
  if (document.value === undefined || document.ageMs() >= usableMs) {
    throw new KeysUnavailable('the issuer is away');
  }
  return document.value;
}

/** The keys as they are now, as far as the issuer may be asked. */
async function newerKeys(document: IssuerDocument<Keys>): Promise<Keys> {
  await document.refresh();
  if (document.value === undefined || document.failures > 0) {
    throw new KeysUnavailable('the issuer is away');
  }
  return document.value;
}

function keysOf(set: JSONWebKeySet): Keys {
  const find = createLocalJWKSet(set);
  return { find, published: new Set(set.keys.map((key) => JSON.stringify(key))) };
}
