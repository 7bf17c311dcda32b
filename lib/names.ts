// Names that several parts must agree on: topics, consumer groups, event types and Redis keys.

export const ordersTopic = 'seckill.orders';
/** `purchase` spreads its batches over so many. */
export const ordersPartitions = 12;
export const deadLetterTopics = {
  'persist-order': 'seckill.orders.dead.persist',
  'update-rank': 'seckill.orders.dead.rank',
} as const;

/** Topics with their partitions, as the local runtime and the manifests create them. */
export const topics: readonly { readonly name: string; readonly partitions: number }[] = [
  { name: ordersTopic, partitions: ordersPartitions },
  { name: deadLetterTopics['persist-order'], partitions: 3 },
  { name: deadLetterTopics['update-rank'], partitions: 3 },
];

export const consumerGroups = {
  'persist-order': 'seckill-persist-order',
  'update-rank': 'seckill-update-rank',
} as const;

export const eventType = 'seckill.orders.accepted.v1';
export const eventSource = '/seckill/purchase';

/** The keys of one sale. They share a hash tag, so one script may touch all on a Redis Cluster. */
export type SaleKeys = Readonly<Record<'sale' | 'orders' | 'buyers' | 'outbox', string>>;

export function saleKeys(productId: string): SaleKeys {
  const prefix = `seckill:{${productId}}:`;
  return {
    sale: `${prefix}sale`,
    orders: `${prefix}orders`,
    buyers: `${prefix}buyers`,
    outbox: `${prefix}outbox`,
  };
}

/** A note that lasts until the sale is to be reconciled again. */
export function reconcileKey(productId: string): string {
  return `seckill:{${productId}}:reconciled`;
}

/** What a product's leaderboard can be ordered by. */
export const boardKinds = ['speed', 'quantity', 'score'] as const;
export type BoardKind = (typeof boardKinds)[number];

/** The ZSet of one product's board; the seed's name is the board by speed. */
export function boardKey(productId: string, kind: BoardKind): string {
  const base = `seckill:leaderboard:${productId}`;
  return kind === 'speed' ? base : `${base}:${kind}`;
}

/** Hot products, by units sold. A product may not be called `products` (see `sale create`). */
export const productsBoardKey = 'seckill:leaderboard:products';
export const reservedProductIds: ReadonlySet<string> = new Set(['products']);

/** Who was erased is called this and 22 random characters, another in every sale. */
export const erasedUserPrefix = 'erased:';

export function isErased(userId: string): boolean {
  return userId.startsWith(erasedUserPrefix);
}

/** On the port of `purchase`'s metrics: how the sales stand (functions/purchase/standing.ts). */
export const standingPath = '/standing';
