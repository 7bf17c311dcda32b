// Signing in with an OpenID provider, in a real browser against a real provider: there and back,
// with the purchase that was left open, and with everything that can go wrong on the way.

import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { launchChromium } from '#lib/testing/chromium.ts';
import {
  axeFindings,
  createVisits,
  type Visit,
  type Visits,
} from './storefront-testing/browser.ts';
import { chromiumPath, missing } from './storefront-testing/fixture.ts';
import { type Shop, startShop } from './storefront-testing/shop.ts';
import { tokenFor } from './testing/edge-fixture.ts';

const path = '/?product=teapot';
const buy = (page: Page) => page.locator('#buy');
const result = (page: Page) => page.locator('#result');
const notice = (page: Page) => page.locator('.notice');

/** Everything the page has in a storage, and where it is. */
async function traces(page: Page): Promise<{ local: string; session: string; url: string }> {
  const [local = '', session = ''] = await page.evaluate<string[]>(
    '[JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage })]',
  );
  return { local, session, url: page.url() };
}

describe.skipIf(missing !== undefined)('signing in', () => {
  let shop: Shop;
  let browser: Browser;
  let visits: Visits;

  beforeAll(async () => {
    [shop, browser] = await Promise.all([startShop(), launchChromium(chromiumPath)]);
    visits = createVisits(browser, shop.edge.url, shop.provider.issuer);
  }, 120_000);

  afterEach(async () => {
    await visits.leave();
    Object.assign(shop, { isAway: false });
    shop.provider.accessTokenSeconds = 3_600;
    shop.clock.aheadMs = 0;
    Object.assign(shop.provider, { fault: undefined, tamper: undefined, requests: [] });
    shop.asked.length = 0;
    // Among them any violation of the content security policy.
    expect(visits.complaints()).toEqual([]);
  });

  afterAll(async () => {
    await browser.close();
    await shop.close();
  });

  const visit = async (options?: Visit['options']) =>
    (await visits.visit({ path, ...(options === undefined ? {} : { options }) })).page;

  async function signInAs(page: Page, user: string): Promise<void> {
    await buy(page).filter({ hasText: 'Sign in to buy' }).click();
    await page.locator('[name=user]').fill(user);
    await page.getByText('Continue').click();
  }

  async function arrive(page: Page): Promise<void> {
    await page.getByText('Signed in as Name of alice').waitFor();
    await buy(page).filter({ hasText: 'Buy · ' }).waitFor();
  }

  test('there and back to the same product, and the purchase counts', async () => {
    const page = await visit();
    await notice(page).filter({ hasText: 'Sign in to buy' }).waitFor();
    const addresses: string[] = [];
    page.on('framenavigated', (frame) => addresses.push(frame.url()));
    await signInAs(page, 'alice');
    await arrive(page);
    expect(page.url()).toBe(`${shop.edge.url}${path}`);
    await buy(page).click();
    await result(page).filter({ hasText: 'It’s yours!' }).waitFor();
    expect(shop.asked.map(({ userId }) => userId)).toEqual(['alice']);

    // The token is in this tab's storage and nowhere else; nothing of the sign-in is left.
    const { local, session, url } = await traces(page);
    const token = (JSON.parse(session) as Record<string, string>)['seckill.token'] ?? 'none';
    expect(token.split('.')).toHaveLength(3);
    expect(Object.keys(JSON.parse(session) as object).sort()).toEqual([
      'seckill.name',
      'seckill.sign-out',
      'seckill.token',
    ]);
    expect(local + url + addresses.join()).not.toContain(token);
    expect(session).not.toContain('verifier');
    expect(addresses.filter((address) => address.includes('code='))).toHaveLength(1);

    // Back leads to the provider's page, not to the spent code.
    await page.reload();
    await arrive(page);
  });

  test('a token in the address signs nobody in here, and nobody out', async () => {
    const page = await visit();
    const shopUrl = `${shop.edge.url}${path}`;
    const followLink = async () => {
      await page.goto(`${shopUrl}#token=${await tokenFor('mallory')}`);
      await expect.poll(() => page.url(), { timeout: 20_000 }).toBe(shopUrl);
    };
    await followLink();
    await signInAs(page, 'alice');
    await arrive(page);
    await followLink();
    await arrive(page);
  });

  test('the normal page loads nothing of it', async () => {
    const page = await visit();
    await notice(page).filter({ hasText: 'Sign in to buy' }).waitFor();
    const loaded = await page.evaluate<string[]>(
      "performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname)",
    );
    expect(loaded.filter((name) => name.endsWith('.js'))).toEqual(['/storefront.js']);
    expect(shop.provider.requests).toEqual([]);
  });

  test('a purchase without an answer goes on with the same key after a new sign-in', async () => {
    const page = await visit();
    shop.provider.accessTokenSeconds = 4;
    shop.clock.aheadMs = 30_000;
    await signInAs(page, 'alice');
    await arrive(page);
    shop.isAway = true;
    await buy(page).click();
    await expect.poll(() => shop.asked.length).toBeGreaterThan(0);
    await result(page).filter({ hasText: 'Your sign-in has ended' }).waitFor({ timeout: 30_000 });
    await page.getByText('Sign in again and we go on with the same one').waitFor();
    const before = await page.evaluate('JSON.stringify({ ...localStorage })');

    shop.clock.aheadMs = 0;
    shop.isAway = false;
    shop.provider.accessTokenSeconds = 3_600;
    // The provider still knows the buyer.
    await buy(page).filter({ hasText: 'Sign in to buy' }).click();
    await result(page).filter({ hasText: 'It’s yours!' }).waitFor();
    expect(before).toContain('seckill.purchase.v1.teapot.alice');
    expect(new Set(shop.asked.map(({ orderId }) => orderId)).size).toBe(1);
    expect(await page.evaluate('localStorage.length')).toBe(0);
  });

  test('a token that ended says so, and nothing is lost by signing in again', async () => {
    const page = await visit();
    shop.provider.accessTokenSeconds = 2;
    await signInAs(page, 'alice');
    await notice(page).filter({ hasText: 'Your sign-in has ended' }).waitFor({ timeout: 10_000 });
    shop.provider.accessTokenSeconds = 3_600;
    await page.locator('#sign-in').click();
    await arrive(page);
  });

  test.each([
    ['en-GB', 'You are not signed in', 'Sign in'],
    ['zh-CN', '尚未登录', '登录'],
  ])('in %s: not wanted is said, with a way on', async (locale, text, label) => {
    const page = await visit({ locale });
    await page.locator('#sign-in').filter({ hasText: label }).click();
    await page.getByText('Cancel').click();
    await notice(page).filter({ hasText: text }).waitFor();
    expect(page.url()).toBe(`${shop.edge.url}${path}`);
    await page.locator('#sign-in').click();
    await page.locator('[name=user]').fill('alice');
    await page.getByText('Continue').click();
    await buy(page).filter({ hasText: '199.00' }).waitFor();
  });

  test.each([
    [
      'another state',
      (url: URL) => {
        url.searchParams.set('state', 'of-another');
      },
    ],
    [
      'no state',
      (url: URL) => {
        url.searchParams.delete('state');
      },
    ],
    [
      'another issuer',
      (url: URL) => {
        url.searchParams.set('iss', 'https://other.example');
      },
    ],
    [
      'no issuer',
      (url: URL) => {
        url.searchParams.delete('iss');
      },
    ],
  ])('an answer with %s is not believed', async (_what, tamper) => {
    const page = await visit();
    shop.provider.tamper = tamper;
    await signInAs(page, 'alice');
    await notice(page).filter({ hasText: 'This sign-in does not belong here' }).waitFor();
    expect(page.url()).toBe(`${shop.edge.url}${path}`);
    expect(shop.provider.requests).not.toContain('/token');
    expect((await traces(page)).session).toBe('{}');
  });

  test('an ID token with another nonce is not believed', async () => {
    const page = await visit();
    await page.route('**/auth?*', async (route) => {
      const url = new URL(route.request().url());
      url.searchParams.set('nonce', 'of-another');
      await route.continue({ url: url.href });
    });
    await signInAs(page, 'alice');
    await notice(page).filter({ hasText: 'This sign-in does not belong here' }).waitFor();
    expect((await traces(page)).session).toBe('{}');
  });

  test('a code that somebody else began to fetch signs nobody in', async () => {
    const page = await visit();
    await page.goto(`${shop.edge.url}/signed-in?code=of-an-attacker&state=x`);
    await notice(page).filter({ hasText: 'This sign-in does not belong here' }).waitFor();
    expect(page.url()).toBe(`${shop.edge.url}/`);
    expect(shop.provider.requests).not.toContain('/token');
  });

  test.each([
    ['late', 'The sign-in took too long'],
    ['away', 'Sign-in does not answer'],
  ] as const)('a token endpoint that is %s is said, with a way on', async (fault, text) => {
    const page = await visit();
    shop.provider.fault = fault;
    await signInAs(page, 'alice');
    await notice(page).filter({ hasText: text }).waitFor();
    shop.provider.fault = undefined;
    await page.locator('#sign-in').click();
    await arrive(page);
  });

  test('a provider that the edge cannot reach is said, and offered once it is back', async () => {
    let isAway = true;
    const { page } = await visits.visit({ path: '/livez' });
    await page.route('**/sign-in.json', (route) =>
      isAway ? route.fulfill({ status: 503, headers: { 'retry-after': '1' } }) : route.continue(),
    );
    await page.goto(`${shop.edge.url}${path}`);
    await notice(page).filter({ hasText: 'Sign-in does not answer' }).waitFor();
    await page.locator('#sign-in').click();
    await notice(page).filter({ hasText: 'Sign-in does not answer' }).waitFor();
    isAway = false;
    await notice(page).filter({ hasText: 'Sign in to buy' }).waitFor({ timeout: 20_000 });
    await signInAs(page, 'alice');
    await arrive(page);
  });

  test('a provider that is down when one leaves costs nothing', async () => {
    const page = await visit();
    await buy(page).filter({ hasText: 'Sign in to buy' }).waitFor();
    await shop.provider.goAway();
    try {
      await buy(page).click();
      await expect.poll(() => page.url(), { timeout: 10_000 }).toMatch(/^chrome-error:/);
    } finally {
      await shop.provider.comeBack();
    }
    await page.goBack();
    await signInAs(page, 'alice');
    await arrive(page);
  });

  test.each([-2, 2])('a device whose clock is %i hours ahead signs in as well', async (hours) => {
    const page = await visit();
    const shift = hours * 3_600_000;
    await page.addInitScript(`{ const now = Date.now; Date.now = () => now() + ${shift}; }`);
    await page.reload();
    await signInAs(page, 'alice');
    await arrive(page);
    await buy(page).click();
    await result(page).filter({ hasText: 'It’s yours!' }).waitFor();
  });

  test('signing out ends the session here and at the provider', async () => {
    const page = await visit();
    await signInAs(page, 'alice');
    await arrive(page);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('button', { name: 'Yes, sign me out' }).click();
    await page.waitForURL(`${shop.edge.url}/`);
    await buy(page).filter({ hasText: 'Sign in to buy' }).click();
    // It asks who one is again.
    await page.locator('[name=user]').waitFor();
    await page.goBack();
    expect((await traces(page)).session).not.toContain('seckill.token');
  });

  test('coming back by the browser’s own button, one can start again', async () => {
    const page = await visit();
    await buy(page).filter({ hasText: 'Sign in to buy' }).click();
    await page.locator('[name=user]').waitFor();
    await page.goBack();
    await signInAs(page, 'alice');
    await arrive(page);
  });

  test('the keyboard reaches it, and axe finds nothing', async () => {
    const page = await visit({ bypassCSP: true, reducedMotion: 'reduce' });
    await page.locator('#sign-in').waitFor();
    expect(await axeFindings(page)).toEqual([]);
    await page.locator('#sign-in').focus();
    await page.keyboard.press('Enter');
    await page.locator('[name=user]').fill('alice');
    await page.keyboard.press('Enter');
    await arrive(page);
    expect(await axeFindings(page)).toEqual([]);
    const small = await page.evaluate(`
      [...document.querySelectorAll('header button, .notice button')]
        .map((target) => target.getBoundingClientRect())
        .filter(({ width, height }) => width > 0 && (width < 44 || height < 44)).length`);
    expect(small).toBe(0);
  });
});
