// The first thing an edge does, before the rest of it is even set up. Between sales purchase is at
// zero, too: it is to start while we do, and not when the first order is there. An effect of its
// import, since imports are run in order and everything else of `main.ts` is one.

import { get as plainGet } from 'node:http';
import { get as tlsGet } from 'node:https';

/** So long a cold start may take. */
const timeoutMs = 30_000;

const { SECKILL_PURCHASE_URL: base = '' } = process.env;
if (URL.canParse('/readyz', base)) {
  const url = new URL('/readyz', base);
  const get = url.protocol === 'https:' ? tlsGet : plainGet;
  // Nobody waits for it: what is wrong is told by the first request that is somebody's.
  const request = get(url, { timeout: timeoutMs }, (response) => response.resume());
  request.on('timeout', () => request.destroy());
  request.on('error', () => undefined);
}
