import fc from 'fast-check';
import { expect, test } from 'vitest';
import { boardKinds } from '#lib/names.ts';
import { boards, compositeQuantityMax, compositeScore, totalsOfComposite } from './score.ts';

/** From 2020 to the end of the composite's span in 2039. */
const anyTime = fc.integer({ min: 1_577_836_800_000_000, max: 2 ** 41 * 1_000 - 1 });
const anyQuantity = fc.integer({ min: 1, max: compositeQuantityMax });

test('the composite is an integer below 2^53, also where its parts run over', () => {
  const anyMoment = fc.oneof(anyTime, fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }));
  fc.assert(
    fc.property(anyMoment, fc.nat(), (userFirstAt, userQuantity) => {
      return Number.isSafeInteger(compositeScore({ userFirstAt, userQuantity }));
    }),
  );
  expect(compositeScore({ userFirstAt: 0, userQuantity: 4_095 })).toBe(2 ** 53 - 1);
});

test('the composite ranks more units first, then the earlier to the millisecond', () => {
  const totals = fc.record({ userFirstAt: anyTime, userQuantity: anyQuantity });
  fc.assert(
    fc.property(totals, totals, (a, b) => {
      const byQuantity = a.userQuantity - b.userQuantity;
      const byTime = Math.floor(b.userFirstAt / 1_000) - Math.floor(a.userFirstAt / 1_000);
      const expected = Math.sign(byQuantity === 0 ? byTime : byQuantity);
      expect(Math.sign(compositeScore(a) - compositeScore(b))).toBe(expected);
    }),
  );
  const [first, second] = [1_790_000_000_000_000, 1_790_000_000_001_000];
  expect(compositeScore({ userFirstAt: first, userQuantity: 2 })).toBe(
    compositeScore({ userFirstAt: second, userQuantity: 2 }) + 1,
  );
});

test('the composite says what it was made of, to the millisecond', () => {
  fc.assert(
    fc.property(anyTime, anyQuantity, (userFirstAt, userQuantity) => {
      const firstAtMs = Math.floor(userFirstAt / 1_000);
      const score = compositeScore({ userFirstAt, userQuantity });
      expect(totalsOfComposite(score)).toEqual({ userQuantity, firstAtMs });
    }),
  );
});

test('no score gets worse with further orders', () => {
  fc.assert(
    fc.property(anyTime, fc.nat(10_000), fc.nat(10_000), (userFirstAt, quantity, more) => {
      for (const kind of boardKinds) {
        const { scoreOf, better } = boards[kind];
        const before = scoreOf({ userFirstAt, userQuantity: quantity });
        const after = scoreOf({ userFirstAt, userQuantity: quantity + more });
        expect(better === 'GT' ? after >= before : after <= before).toBe(true);
      }
    }),
  );
});
