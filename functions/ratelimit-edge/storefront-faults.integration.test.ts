// The page in a real browser while the network and the server misbehave: what a buyer is told,
// and that one press never buys twice.

import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { missing, useFixture } from './storefront-testing/fixture.ts';
import { type Fault, tokenFor } from './storefront-testing/stand-in.ts';

const buy = (page: Page) => page.locator('#buy');
const result = (page: Page) => page.locator('#result');

/** Waits until the buyer is told something, and returns it. */
async function told(page: Page, words: RegExp): Promise<string> {
  await result(page).filter({ hasText: words }).waitFor({ timeout: 15_000 });
  return await result(page).innerText();
}

async function label(page: Page, words: RegExp): Promise<void> {
  await buy(page).filter({ hasText: words }).waitFor({ timeout: 15_000 });
}

const isActive = async (page: Page) => (await buy(page).getAttribute('aria-disabled')) === null;

describe.skipIf(missing !== undefined)('the storefront', () => {
  const fixture = useFixture();

  test('opens by itself, by the server’s clock, without a rush of requests', async () => {
    const { standIn, visits, sell } = fixture();
    standIn.sale.clockAheadMs = 3 * 3_600_000;
    standIn.sale.confirmsAfterMs = 60_000;
    const product = sell({ state: 'scheduled', opensAtMs: undefined });
    const { page } = await visits.visit({ token: tokenFor('alice', 4 * 3_600) });
    await label(page, /Not open yet/);
    const opensAtMs = Date.now() + 4_000;
    product.opensAtMs = opensAtMs + standIn.sale.clockAheadMs;
    await page.locator('.countdown').filter({ hasText: '00' }).waitFor();
    expect(await isActive(page)).toBe(false);
    await buy(page).focus();
    standIn.requests = [];
    const countedFromMs = Date.now();
    await label(page, /Buy/);
    const lateMs = Date.now() - opensAtMs;
    expect(lateMs).toBeGreaterThan(-50);
    expect(lateMs).toBeLessThan(500);
    expect(await isActive(page)).toBe(true);
    // The focus did not get lost when the button came alive.
    expect(await page.evaluate('document.activeElement.id')).toBe('buy');
    expect(await page.locator('#announcer').innerText()).toBe('The sale is open. You can buy now.');
    const polls = standIn.requests.filter((path) => path === '/api/products/product-1').length;
    expect(polls).toBeLessThanOrEqual(1 + (Date.now() - countedFromMs) / 1_600);
    await buy(page).press('Enter');
    expect(await told(page, /It’s yours/)).toContain('accepted');
  });

  test('has stored the key by the time the request leaves', async () => {
    const { standIn, visits, sell } = fixture();
    sell();
    const { page } = await visits.visit({ user: 'alice' });
    await label(page, /Buy/);
    const stored: unknown[] = [];
    await page.route('**/purchase', async (route) => {
      const json = await page.evaluate<string>('Object.values(localStorage)[0]');
      const key = route.request().headers()['idempotency-key'];
      stored.push({ ...(JSON.parse(json) as object), isTheKeySent: json.includes(`"${key}"`) });
      await route.continue();
    });
    await page.getByRole('button', { name: 'One more' }).click();
    await buy(page).click();
    await told(page, /2 are yours/);
    expect(stored).toEqual([
      expect.objectContaining({
        userId: 'alice',
        productId: 'product-1',
        quantity: 2,
        isTheKeySent: true,
      }),
    ]);
    expect(await page.evaluate('localStorage.length')).toBe(0);
    expect(standIn.sale.orders).toHaveLength(1);
  });

  test.each<[string, Fault]>([
    ['the connection breaks before it is decided', { kind: 'lost_before' }],
    ['the answer is lost', { kind: 'lost_after' }],
    ['503', { kind: 'refuse', outcome: 'unavailable', retryAfterSeconds: 1 }],
  ])('asks again with the same key: %s', async (_name, fault) => {
    const { standIn, visits, sell } = fixture();
    sell();
    standIn.lastingFault = fault;
    const { page } = await visits.visit({ user: 'alice' });
    await label(page, /Buy/);
    await buy(page).click();
    expect(await told(page, /don’t know/)).toContain('you can’t buy twice by this');
    expect(await isActive(page)).toBe(false);
    standIn.lastingFault = undefined;
    await told(page, /It’s yours/);
    expect(standIn.sale.orders).toHaveLength(1);
    expect(standIn.purchases.length).toBeGreaterThan(1);
    expect(new Set(standIn.purchases.map(({ key }) => key)).size).toBe(1);
  });

  test('goes on by itself after a reload, and after the tab was closed', async () => {
    const { standIn, visits, sell } = fixture();
    sell();
    standIn.lastingFault = { kind: 'hang' };
    const { page, context } = await visits.visit({ user: 'alice' });
    await label(page, /Buy/);
    await buy(page).click();
    await label(page, /Buying/);
    standIn.lastingFault = { kind: 'lost_after' };
    await page.reload();
    await told(page, /don’t know/);
    await page.close();
    standIn.lastingFault = undefined;
    const later = await context.newPage();
    await later.goto(page.url());
    // A new tab has no sign-in yet; the purchase waits for it.
    await later.getByText('Sign in to buy').first().waitFor();
    expect(await told(await signIn(later, standIn.url), /It’s yours/)).toContain('order');
    expect(standIn.sale.orders).toHaveLength(1);
    expect(new Set(standIn.purchases.map(({ key }) => key)).size).toBe(1);
  });

  test('a buyer may stop waiting, look at another sale, and ask again', async () => {
    const { standIn, visits, sell } = fixture();
    sell();
    sell({ name: 'Walnut speaker' });
    standIn.lastingFault = { kind: 'refuse', outcome: 'unavailable' };
    const { page } = await visits.visit({ user: 'alice', path: '/?product=product-1' });
    await label(page, /Buy/);
    await buy(page).click();
    await page.goto(`${standIn.url}/?product=product-2`);
    await page.getByText('Your purchase of Celadon teapot has no answer yet.').waitFor();
    await page.getByRole('link', { name: 'Go there' }).click();
    await page.getByRole('button', { name: 'Stop asking' }).click({ timeout: 20_000 });
    await told(page, /has no answer/);
    expect(await page.evaluate('document.activeElement.id')).toBe('buy');
    standIn.lastingFault = undefined;
    await buy(page).filter({ hasText: 'Ask again' }).click();
    await told(page, /It’s yours/);
    expect(standIn.sale.orders).toHaveLength(1);
    expect(new Set(standIn.purchases.map(({ key }) => key)).size).toBe(1);
  });

  test('a double-click and a hammering thumb buy once', async () => {
    const { standIn, visits, sell } = fixture();
    sell();
    const { page } = await visits.visit({ user: 'alice' });
    await label(page, /Buy/);
    await buy(page).dblclick();
    for (let press = 0; press < 15; press += 1) await buy(page).click({ delay: 10 });
    await told(page, /It’s yours/);
    expect(standIn.purchases).toHaveLength(1);
    await page.getByRole('button', { name: 'Buy more' }).click();
    await label(page, /Buy ·/);
    await buy(page).click();
    await told(page, /It’s yours/);
    expect(standIn.sale.orders).toHaveLength(2);
  });

  test('too many requests: counts down, then tries once by itself', async () => {
    const { standIn, visits, sell } = fixture();
    sell();
    const limited: Fault = { kind: 'refuse', outcome: 'rate_limited', retryAfterSeconds: 2 };
    standIn.faults = [limited];
    const { page } = await visits.visit({ user: 'alice' });
    await label(page, /Buy/);
    await buy(page).click();
    expect(await told(page, /busy/)).toContain('Nothing was bought yet');
    await label(page, /Again in \d s/);
    await told(page, /It’s yours/);
    expect(standIn.purchases).toHaveLength(2);
  });

  test.each<[string, Fault, RegExp]>([
    ['sold out', { kind: 'refuse', outcome: 'sold_out', members: { left: 0 } }, /Sold out/],
    [
      'fewer left',
      { kind: 'refuse', outcome: 'sold_out', members: { left: 2 } },
      /Only 2 are left/,
    ],
    ['limit', { kind: 'refuse', outcome: 'limit_reached' }, /You have your share/],
    ['paused', { kind: 'refuse', outcome: 'paused' }, /paused/],
    ['ended', { kind: 'refuse', outcome: 'ended' }, /ended/],
    ['key reused', { kind: 'refuse', outcome: 'key_reused' }, /Bought already/],
    ['signed out', { kind: 'refuse', outcome: 'unauthenticated' }, /sign-in has ended/],
  ])('says what a refusal means: %s', async (_name, fault, words) => {
    const { standIn, visits, sell } = fixture();
    sell();
    standIn.faults = [fault];
    const { page } = await visits.visit({ user: 'alice' });
    await label(page, /Buy/);
    const more = page.getByRole('button', { name: 'One more' });
    await more.click();
    await more.click();
    await buy(page).click();
    await told(page, words);
    expect(standIn.purchases).toHaveLength(1);
    expect(standIn.purchases[0]?.quantity).toBe(3);
    if (words.source.includes('Only 2')) {
      expect(await page.locator('output').innerText()).toBe('2');
    }
  });

  test('says that figures are old while the server is away, and recovers', async () => {
    const { standIn, visits, sell } = fixture();
    const product = sell();
    const { page } = await visits.visit({ user: 'alice' });
    await page.locator('.figure').filter({ hasText: '187' }).waitFor();
    standIn.isAway = true;
    await page.getByText('Reconnecting').waitFor({ timeout: 20_000 });
    product.left = 42;
    standIn.isAway = false;
    await page.locator('.figure').filter({ hasText: '42' }).waitFor({ timeout: 20_000 });
    await page.getByText('Reconnecting').waitFor({ state: 'hidden' });
  });
});

async function signIn(page: Page, url: string): Promise<Page> {
  await page.goto(`${url}/#token=${tokenFor('alice')}`);
  return page;
}
