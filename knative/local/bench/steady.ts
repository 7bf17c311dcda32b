// An open load: so many a second, whether those before have been answered or not.

import { setTimeout } from 'node:timers/promises';
import type { Pool } from 'undici';

const tickMs = 5;

/**
 * Runs `each` (with 0, 1, 2 …) so many times a second, and resolves with the rate that was reached
 * once all are done. Rejects with what one of them throws.
 */
export async function steadily(
  { perSecond, count }: { readonly perSecond: number; readonly count: number },
  each: (n: number) => Promise<void>,
): Promise<number> {
  const startedAtMs = performance.now();
  const underWay: Promise<void>[] = [];
  while (underWay.length < count) {
    const due = ((performance.now() - startedAtMs) / 1_000) * perSecond;
    const until = Math.min(count, Math.ceil(due));
    while (underWay.length < until) underWay.push(each(underWay.length));
    await setTimeout(tickMs);
  }
  const reached = count / ((performance.now() - startedAtMs) / 1_000);
  await Promise.all(underWay);
  return reached;
}

/** One purchase, the last on its connection if so said; rejects where it is not accepted. */
export async function buyOne(
  pool: Pool,
  product: string,
  token: string,
  how?: { readonly isLast: boolean },
): Promise<void> {
  const { status, text } = await sendPurchase(pool, product, token, how);
  if (status !== 202) throw new Error(`a purchase was answered ${status}: ${text}`);
}

/** One purchase, and what is answered to it. */
export async function sendPurchase(
  pool: Pool,
  product: string,
  token: string,
  { isLast = false } = {},
): Promise<{ readonly status: number; readonly text: string }> {
  const { statusCode, body } = await pool.request({
    method: 'POST',
    path: `/api/products/${product}/purchase`,
    headers: {
      authorization: `Bearer ${token}`,
      'idempotency-key': 'the-only-order',
      'content-type': 'application/json',
    },
    body: '{"quantity":1}',
    reset: isLast,
  });
  return { status: statusCode, text: await body.text() };
}
