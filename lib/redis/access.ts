// How Redis is reached: where, as whom, with TLS or without.

import type { Environment, redisNames } from '#lib/environment.ts';
import type { LiveTls } from '#lib/tls/live-tls.ts';
import { tlsOf } from '#lib/tls/tls-of.ts';

export interface RedisAccess {
  /** One, or several: a Redis Cluster. */
  readonly urls: readonly string[];
  /** With `rediss://` URLs. */
  readonly tls?: LiveTls;
}

/** As the environment says it. Throws with what does not fit. */
export function redisAccessOf(
  environment: Pick<Environment, (typeof redisNames)[number]>,
): RedisAccess {
  const urls = environment.SECKILL_REDIS_URL;
  const encrypted = urls.filter((url) => url.startsWith('rediss:'));
  if (encrypted.length > 0 && encrypted.length < urls.length) {
    throw new Error('SECKILL_REDIS_URL: either all begin with rediss://, or none');
  }
  const tls = tlsOf('REDIS', environment, {
    isOn: encrypted.length > 0,
    by: 'rediss:// in SECKILL_REDIS_URL',
    serverName: environment.SECKILL_REDIS_TLS_SERVER_NAME,
  });
  return { urls, ...(tls === undefined ? {} : { tls }) };
}

/**
 * What every connection needs, also those to a Cluster's nodes that no URL names: ioredis would
 * use a URL's user, password and TLS for that one node only.
 */
export function connectionOptionsOf({ urls: [first = ''], tls }: RedisAccess) {
  const { username, password } = new URL(first);
  return {
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    ...(tls === undefined ? {} : { tls }),
  };
}
