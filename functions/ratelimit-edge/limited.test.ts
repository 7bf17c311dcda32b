import fc from 'fast-check';
import { expect, test } from 'vitest';
import { limitMax, tiers } from '#lib/buckets/limits.ts';
import { respondLimited } from './limited.ts';

const limitOf = fc.record({
  rate: fc.integer({ min: 1, max: limitMax }),
  capacity: fc.integer({ min: 1, max: limitMax }),
});

/** One item of a list of RFC 9651: a string, and parameters that are integers. */
function itemOf(field: string | null): { name: string; values: Record<string, number> } {
  const parts = /^"([a-z]+)"((?:;[a-z]=\d{1,15})+)$/.exec(field ?? '');
  const [, name = '', parameters = ''] = parts ?? [];
  const values = parameters.slice(1).split(';');
  return {
    name,
    values: Object.fromEntries(values.map((one) => [one.slice(0, 1), Number(one.slice(2))])),
  };
}

test('the fields fit each other, the limit and Retry-After', () => {
  const property = fc.property(
    fc.constantFrom(...tiers),
    limitOf,
    fc.integer({ min: 1, max: 2_000 }),
    (tier, limit, retryAfterSeconds) => {
      for (const time of ['first', 'remembered']) {
        const { status, headers } = respondLimited({ tier, limit, retryAfterSeconds });
        expect(status, time).toBe(429);
        expect(headers.get('retry-after')).toBe(String(retryAfterSeconds));
        const { name, values } = itemOf(headers.get('ratelimit-policy'));
        const { q = 0, w = 0 } = values;
        expect({ name, q }).toEqual({ name: tier, q: limit.capacity });
        // In w seconds it fills up, and in one second less it does not.
        expect(limit.rate * w).toBeGreaterThanOrEqual(limit.capacity);
        expect(limit.rate * (w - 1)).toBeLessThan(limit.capacity);
        expect(itemOf(headers.get('ratelimit'))).toEqual({
          name: tier,
          values: { r: 0, t: retryAfterSeconds },
        });
      }
    },
  );
  fc.assert(property);
});

test('each tier and each wait has its own answer, also where they share a limit', async () => {
  const limit = { rate: 50, capacity: 100 };
  for (const tier of tiers) {
    for (const retryAfterSeconds of [1, 2, 100]) {
      const response = respondLimited({ tier, limit, retryAfterSeconds });
      expect(await response.json()).toEqual({
        type: 'urn:seckill:rate_limited',
        title: 'Too many requests',
        status: 429,
        outcome: 'rate_limited',
        detail: expect.stringContaining(`try again in ${retryAfterSeconds} s`) as string,
        tier,
        'violated-policies': [tier],
      });
    }
  }
});
