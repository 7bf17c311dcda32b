import { expect, test } from 'vitest';
import type { Told } from './buyers.ts';
import { untilServed } from './load.ts';

/** Each look comes after one more of these was told. */
async function lookingAt(tells: readonly Told[], perSecond: number) {
  const purchases: { told: Told }[] = [];
  let looks = 0;
  const until = async <T>(_: number, look: () => Promise<T | undefined>) => {
    for (const told of tells) {
      const found = await look();
      if (found !== undefined) return found;
      purchases.push({ told });
      looks += 1;
    }
    return look();
  };
  await untilServed({ options: { perSecond }, until }, purchases);
  return looks;
}
const accepted: Told = { kind: 'accepted', orderId: 'p.1' };
const times = (count: number, told: Told) => Array.from({ length: count }, () => told);

test('a load is served when three seconds of it are', async () => {
  expect(await lookingAt(times(20, accepted), 2)).toBe(6);
});

test.each<[string, Told]>([
  ['who were not served', { kind: 'unserved', status: 503 }],
  ['who were refused', { kind: 'refused', status: 409, outcome: 'not_open' }],
])('buyers %s do not count', async (_, told) => {
  expect(await lookingAt([...times(9, told), ...times(9, accepted)], 2)).toBe(15);
  await expect(lookingAt(times(50, told), 2)).rejects.toThrow('nobody is served');
});
