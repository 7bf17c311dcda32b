// What sales have left behind: keys of settled sales that nothing removes any more, and sales that
// are over and were never settled, which keep the tick going.

import { and, desc, eq, isNotNull, lt, ne } from 'drizzle-orm';
import { type Check, checksOf } from '#lib/diagnosis.ts';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { products } from '#lib/mysql/schema.ts';
import { saleKeys } from '#lib/names.ts';
import type { RedisClient } from '#lib/redis/connect.ts';

interface Dependencies {
  readonly redis: RedisClient;
  readonly mysql: MysqlClient;
}

const say = checksOf('sales');
/** Sales looked at, the latest first. */
const salesMax = 200;
const namedMax = 5;
/** Settling is a matter of minutes. */
const overForMs = 60 * 60_000;
/** Without an end: what Redis answers of a key that no one has given one. */
const noEnd = -1;

/** Throws where a store does not answer. */
export async function checkSales(stores: Dependencies, nowMs: number): Promise<Check[]> {
  return [await checkLeftovers(stores), await checkUnsettled(stores.mysql, nowMs)];
}

async function checkLeftovers({ redis, mysql }: Dependencies): Promise<Check> {
  const settled = await mysql.db
    .select({ productId: products.productId })
    .from(products)
    .where(eq(products.state, 'settled'))
    .orderBy(desc(products.closesAt))
    .limit(salesMax);
  const left: string[] = [];
  for (const { productId } of settled) {
    const keys = Object.values(saleKeys(productId));
    const ends = await Promise.all(keys.map((key) => redis.pttl(key)));
    if (ends.includes(noEnd)) left.push(productId);
  }
  if (left.length === 0) return say.ok('leftovers', `none of ${settled.length} settled sales`);
  return say.wrong('leftovers', {
    found: `Redis keeps ${left.length} settled sales for ever: ${namesOf(left)}`,
    why: 'they fill its memory, which is then short for the sales that run',
    todo: `\`kn-seckill sale close ${left[0] ?? ''}\`, and so on: they leave within a week then`,
  });
}

async function checkUnsettled({ db }: MysqlClient, nowMs: number): Promise<Check> {
  const overAtUs = (nowMs - overForMs) * 1_000;
  const over = await db
    .select({ productId: products.productId })
    .from(products)
    .where(
      and(
        ne(products.state, 'settled'),
        isNotNull(products.closesAt),
        lt(products.closesAt, overAtUs),
      ),
    )
    .orderBy(desc(products.closesAt))
    .limit(salesMax);
  const names = over.map(({ productId }) => productId);
  if (names.length === 0)
    return say.ok('unsettled', 'no sale has been over for an hour without being settled');
  return say.wrong('unsettled', {
    found: `over for more than an hour, and not settled: ${namesOf(names)}`,
    why: 'until a sale is settled the system is woken every minute, and nobody has said it is whole',
    todo: `\`kn-seckill sale close ${names[0] ?? ''}\` settles it, or says what it waits for`,
  });
}

function namesOf(names: readonly string[]): string {
  const more = names.length - namedMax;
  return names.slice(0, namedMax).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
