// Whatever the schema of the event lets pass, MySQL writes, on a real server: the widest values of
// each field in any combination, and now and then a wider one, which must not pass.

import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventOrdersMax, userIdBytesMax } from '#lib/constants.ts';
import { readEnvironment } from '#lib/environment.ts';
import { delivery } from '#lib/http/delivery.ts';
import { orderEventSchema } from '#lib/order-event.ts';
import { orderIdOf } from '#lib/order-id.ts';
import { anEvent, type OrderSpec } from '#lib/testing/order-events.ts';
import { uniqueName } from '#lib/testing/unique.ts';
import { startSink } from './persist-fixture.ts';

const intMax = 2_147_483_647;
const env = readEnvironment(['SECKILL_MYSQL_URL', 'SECKILL_REDIS_URL', 'SECKILL_SIGNING_KEYS']);
let sink: ReturnType<typeof startSink>;
beforeAll(() => {
  sink = startSink(env);
});
afterAll(() => sink.stop());

/** The least, the most, and what lies between. */
const whole = (min: number, max: number) =>
  fc.oneof(fc.constantFrom(min, max), fc.integer({ min, max }));
const rarely = <T>(odd: T, usual: fc.Arbitrary<T>) =>
  fc.oneof({ arbitrary: fc.constant(odd), weight: 1 }, { arbitrary: usual, weight: 25 });
const count = rarely(intMax + 1, whole(1, intMax));
const time = rarely(0, whole(1, Number.MAX_SAFE_INTEGER));
const currency = rarely('元元元元', fc.stringMatching(/^[A-Z]{3}$/));
/** Longest where a character is one, two and four bytes; blanks, NUL and the last code point. */
const fittingUserId = fc.oneof(
  fc.constantFrom('x'.repeat(userIdBytesMax), '数'.repeat(userIdBytesMax), '🙂'.repeat(64)),
  fc.constantFrom('\0', ' ', 'a ', '\u{10ffff}', '\ufffe\uffff', "'; --", '\\', '%_'),
  fc
    .string({ unit: 'binary', minLength: 1, maxLength: userIdBytesMax })
    .filter((id) => id.isWellFormed() && id.length <= userIdBytesMax),
);
const userId = rarely('\ud800', rarely('x'.repeat(userIdBytesMax + 1), fittingUserId));
const ranges = fc
  .tuple(whole(1, intMax - 1_000), fc.constantFrom(0, 0, 0, 1, 999))
  .map(([first, more]): OrderSpec['units'] => [[first, first + more]]);
const units = fc.oneof(ranges, fc.constant([[intMax, intMax]] as OrderSpec['units']));

test('what passes the schema is written', async () => {
  const order = fc.record({
    ...{ units, userId, userFirstAt: time },
    ...{ userQuantity: count, sold: count },
  });
  const event = fc.record({
    ...{ acceptedAt: time, unitPrice: whole(0, Number.MAX_SAFE_INTEGER), currency },
    ...{ generation: whole(1, intMax), batchNumber: whole(0, 1_000_000_000_000_000 - 1) },
    orders: fc.oneof(
      { arbitrary: fc.array(order, { minLength: 1, maxLength: 5 }), weight: 9 },
      {
        arbitrary: fc.array(order, { minLength: eventOrdersMax - 1, maxLength: eventOrdersMax }),
        weight: 1,
      },
    ),
  });
  await fc.assert(
    fc.asyncProperty(event, async ({ orders, batchNumber, ...others }) => {
      // The longest that a product can be called.
      const productId = uniqueName('p').padEnd(64, '-');
      await sink.putOnSale(productId, intMax);
      const given = anEvent(
        productId,
        orders.map((one, index) => ({
          ...one,
          orderId: orderIdOf(productId, one.userId, `key-${index}`),
        })),
        others,
      );
      const passes = orderEventSchema.safeParse(given).success;
      const answer = await sink.deliver(given, batchNumber);
      expect(answer).toBe(passes ? delivery.done : delivery.never);
      const { rows } = await sink.held(productId);
      if (!passes) {
        expect(rows).toEqual([]);
        return;
      }
      expect(rows.map((row) => row.orderId).sort()).toEqual(
        given.orders.map(({ orderId }) => orderId).sort(),
      );
      for (const row of rows) {
        const one = given.orders.find(({ orderId }) => orderId === row.orderId);
        const { userFirstAt, userQuantity, sold } = row;
        expect({ userId: row.userId, userFirstAt, userQuantity, sold }).toEqual({
          userId: one?.userId,
          ...{ userFirstAt: one?.userFirstAt, userQuantity: one?.userQuantity, sold: one?.sold },
        });
        expect(row.acceptedAt).toBe(given.acceptedAt);
        expect(row.unitPrice).toBe(given.unitPrice);
      }
    }),
    { numRuns: 100, endOnFailure: true },
  );
});
