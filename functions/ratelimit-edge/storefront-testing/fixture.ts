// What every browser test of the storefront starts from: the stand-in, a browser, one product.

import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { findChromium, launchChromium } from '#lib/testing/chromium.ts';
import { createVisits, type Visits } from './browser.ts';
import type { Product } from './sale.ts';
import { type StandIn, startStandIn } from './stand-in.ts';

const found = await findChromium();

/** Empty where there is none. */
export const chromiumPath = 'path' in found ? found.path : '';
/** Why these tests cannot run here; undefined where they can. */
export const missing = 'missing' in found ? found.missing : undefined;
if (missing !== undefined) {
  // Where nobody reads what was skipped, nothing may be.
  if (process.env['CI']) throw new Error(missing);
  process.stderr.write(`SKIPPED, the tests of the storefront: ${missing}\n`);
}

export interface Fixture {
  readonly standIn: StandIn;
  readonly visits: Visits;
  /** Puts a product on sale; open for a minute unless something else is said. */
  readonly sell: (changes?: Partial<Product>) => Product;
}

/** Buyers on the leaderboard of the first product; the last of them is alice. */
export function addPlaces({ standIn }: Fixture, count = 12): void {
  const { sale } = standIn;
  sale.places = Array.from({ length: count }, (_, index) => ({
    name: `buyer-${String(index).padStart(6, '0')}`,
    firstAtMs: (sale.products[0]?.opensAtMs ?? 0) + 41 + index * 17,
    quantity: 3 - Math.floor(index / 5),
    ...(index === 11 ? { userId: 'alice' } : {}),
  }));
}

/** Sets the fixture up for the tests of a `describe`; read it inside of tests only. */
export function useFixture(): () => Fixture {
  let standIn: StandIn;
  let browser: Browser;
  let visits: Visits;
  beforeAll(async () => {
    if ('missing' in found) return;
    standIn = await startStandIn();
    browser = await launchChromium(found.path);
    visits = createVisits(browser, standIn.url);
  });
  afterEach(async () => {
    await visits.leave();
    standIn.reset();
    expect(visits.complaints()).toEqual([]);
  });
  afterAll(async () => {
    await browser.close();
    await standIn.close();
  });
  return () => ({
    standIn,
    visits,
    sell(changes) {
      const product: Product = {
        productId: `product-${standIn.sale.products.length + 1}`,
        name: 'Celadon teapot',
        unitPrice: 19_900,
        currency: 'CNY',
        stock: 500,
        left: 187,
        state: 'open',
        opensAtMs: Date.now() + standIn.sale.clockAheadMs - 60_000,
        closesAtMs: undefined,
        limitPerUser: 3,
        ...changes,
      };
      standIn.sale.products.push(product);
      return product;
    },
  });
}
