// Sends `purchase` a tick now and then, a CloudEvent as a PingSource's, on which it looks after
// all sales, also when nobody buys any more: outboxes, interrupted changes, and once a minute a
// reconciliation of each. A tick goes on also where its answer is not waited for.

import { randomUUID } from 'node:crypto';
import { setInterval } from 'node:timers';

const tickMs = 10_000;
const answerMs = 9_000;

/** Ticks until the returned function is called. A tick that fails is made up for by the next. */
export function startTicks(purchaseUrl: string): () => Promise<void> {
  const timer = setInterval(() => {
    fetch(`${purchaseUrl}/tick`, {
      method: 'POST',
      headers: {
        'ce-specversion': '1.0',
        'ce-type': 'dev.knative.sources.ping',
        'ce-source': '/seckill/knative/local',
        'ce-id': randomUUID(),
      },
      signal: AbortSignal.timeout(answerMs),
    }).then(
      (response) => response.body?.cancel(),
      () => undefined,
    );
  }, tickMs);
  return () => {
    clearInterval(timer);
    return Promise.resolve();
  };
}
