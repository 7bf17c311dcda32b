// The points at which growth.ts measures.

export const connectionCounts = [16, 64, 256, 1_024] as const;
export const rates = [250, 500, 1_000, 2_000, 3_000] as const;
export const productCounts = [1, 10, 100, 1_000] as const;
export const stocks = [1_000, 10_000, 100_000, 1_000_000] as const;
export const instanceCounts = [1, 2, 3] as const;

export const growthNames = [
  ...connectionCounts.map((count) => `growth-connections-${count}` as const),
  ...rates.map((rate) => `growth-rate-${rate}` as const),
  ...productCounts.map((count) => `growth-products-${count}` as const),
  ...stocks.map((stock) => `growth-stock-${stock}` as const),
  ...instanceCounts.map((count) => `growth-instances-${count}` as const),
] as const;
export type GrowthName = (typeof growthNames)[number];
