// The name under which a buyer appears on a sale's boards: nobody can tell who it is, or that two
// names of two sales are the same person, without the key.

import { createHmac } from 'node:crypto';

/** Twelve characters of [A-Za-z0-9_-], the same for the same user in the same sale. */
export function pseudonymOf(key: string, productId: string, userId: string): string {
  return createHmac('sha256', key)
    .update(`${productId}:${userId}`)
    .digest('base64url')
    .slice(0, 12);
}
