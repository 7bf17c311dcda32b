// The one thing that metrics say about a product. Product ids are made up by operators without end,
// and buyers invent more; a label takes only what is on a list, so they tell the products that the
// operator has named beforehand from all others.

export const productClasses = ['hot', 'normal'] as const;
export type ProductClass = (typeof productClasses)[number];

/** Tells each product's class: `hot` are those of `SECKILL_HOT_PRODUCTS`. */
export function productClassOf(
  hotProducts: readonly string[],
): (productId: string) => ProductClass {
  const hot = new Set(hotProducts);
  return (productId) => (hot.has(productId) ? 'hot' : 'normal');
}
