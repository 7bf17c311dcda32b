// The page in a real browser: identity, languages, sizes, keyboard, and what axe has to say.

import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { phone } from './storefront-testing/browser.ts';
import { addPlaces, missing, useFixture } from './storefront-testing/fixture.ts';
import { tokenFor } from './storefront-testing/stand-in.ts';

const buy = (page: Page) => page.locator('#buy');

describe.skipIf(missing !== undefined)('the storefront', () => {
  const fixture = useFixture();

  test('takes the token out of the address and keeps it for this tab only', async () => {
    const { visits, sell } = fixture();
    sell();
    const { page, context } = await visits.visit({
      user: '小明 & co',
      path: '/?product=product-1',
    });
    await page.getByText('Signed in as 小明 & co').waitFor();
    expect(page.url()).toMatch(/\/\?product=product-1$/);
    await page.reload();
    await page.getByText('Signed in as 小明 & co').waitFor();
    expect(await page.evaluate('localStorage.length')).toBe(0);
    const other = await context.newPage();
    await other.goto(page.url());
    await other.getByText('Open this page through your personal sign-in link').waitFor();
    expect(await buy(other).getAttribute('aria-disabled')).toBe('true');
    // A sign-in link opened in the same tab.
    await other.goto(`${page.url()}#token=${tokenFor('bob')}`);
    await other.getByText('Signed in as bob').waitFor();
    expect(other.url()).not.toContain('token');
  });

  test('says that a sign-in has ended', async () => {
    const { visits, sell } = fixture();
    sell();
    const { page } = await visits.visit({ token: tokenFor('alice', -1) });
    await page.getByText('Your sign-in has ended').waitFor();
  });

  test.each([
    ['zh-CN', 'zh-CN', '限时秒杀', '立即抢购 · ¥199.00'],
    ['zh-TW', 'zh-CN', '限时秒杀', '立即抢购 · ¥199.00'],
    ['en-GB', 'en', 'Flash sale', 'Buy · CN¥199.00'],
    ['fr-FR', 'en', 'Flash sale', 'Buy · CN¥199.00'],
  ])('speaks to a browser in %s', async (locale, language, title, label) => {
    const { visits, sell } = fixture();
    sell();
    const { page } = await visits.visit({ user: 'alice', options: { locale } });
    await buy(page).filter({ hasText: label }).waitFor();
    expect(await page.locator('html').getAttribute('lang')).toBe(language);
    expect(await page.title()).toBe(`Celadon teapot · ${title}`);
  });

  test('shows several sales as a list that leads to each', async () => {
    const { visits, sell } = fixture();
    sell();
    sell({ name: 'Walnut speaker', state: 'ended' });
    const { page } = await visits.visit({ user: 'alice' });
    await page
      .getByRole('link', { name: /Walnut speaker/ })
      .first()
      .click();
    await page.getByRole('heading', { level: 1, name: 'Walnut speaker' }).waitFor();
    expect(await buy(page).innerText()).toBe('Sale ended');
    await page.getByRole('link', { name: 'All sales' }).click();
    await page.getByRole('heading', { level: 1, name: 'Flash sales' }).waitFor();
    await page.goto(`${page.url()}?product=nothing`);
    await page.getByText('There is no such sale').waitFor();
  });

  test('moves the leaderboard and shows one’s own place', async () => {
    const given = fixture();
    const { standIn, visits, sell } = given;
    sell();
    addPlaces(given);
    const { page } = await visits.visit({ user: 'alice' });
    const places = page.locator('.places .place-buyer');
    await places.first().filter({ hasText: 'buyer-000000' }).waitFor();
    expect(await places.count()).toBe(10);
    await page.getByText('You are number 12').waitFor();
    expect(await page.locator('.places .place-value').first().innerText()).toBe('+0.041 s');
    const mine = standIn.sale.places.pop();
    if (mine !== undefined) standIn.sale.places.unshift(mine);
    await places.first().filter({ hasText: 'You · buyer-000011' }).waitFor({ timeout: 5_000 });
    // Tabs: one stop for Tab, arrows within.
    await page.getByRole('tab', { name: 'Fastest' }).focus();
    await page.keyboard.press('ArrowRight');
    expect(await page.getByRole('tab', { selected: true }).innerText()).toBe('Most');
    await page.locator('.places .place-value').first().filter({ hasText: 'piece' }).waitFor();
  });

  test('follows an order until it is confirmed', async () => {
    const { standIn, visits, sell } = fixture();
    sell();
    standIn.sale.confirmsAfterMs = 1_500;
    const { page } = await visits.visit({ user: 'alice' });
    await buy(page).filter({ hasText: 'Buy' }).click();
    await page.locator('.order .badge').filter({ hasText: 'Accepted' }).waitFor();
    standIn.requests = [];
    await page.locator('.order .badge').filter({ hasText: 'Confirmed' }).waitFor();
    await page.locator('#result').filter({ hasText: 'Your order is confirmed' }).waitFor();
    // It arrived by itself: nobody has asked.
    expect(standIn.requests.filter((path) => path.startsWith('/api/orders'))).toEqual([]);
    expect(standIn.lastEventIds).toEqual(['']);
    await buy(page).filter({ hasText: 'See my orders' }).click();
    expect(await page.evaluate('document.activeElement.id')).toBe('orders');
  });

  test('a stream that is cut goes on where it was, and polls fill the gap', async () => {
    const { standIn, visits, sell } = fixture();
    sell();
    standIn.sale.confirmsAfterMs = 60_000;
    standIn.streamFaults = ['cut', 'cut'];
    const { page } = await visits.visit({ user: 'alice' });
    await buy(page).filter({ hasText: 'Buy' }).click();
    await expect.poll(() => standIn.lastEventIds, { timeout: 20_000 }).toHaveLength(2);
    const [order] = standIn.sale.orders;
    if (order === undefined) throw new Error('nothing was bought');
    expect(standIn.requests).toContain(`/api/orders/${order.orderId}`);
    order.status = 'confirmed';
    await page.locator('.order .badge').filter({ hasText: 'Confirmed' }).waitFor();
    expect(standIn.lastEventIds.slice(0, 2)).toEqual(['', 'accepted']);
  });

  test('where streams are held back, the order is asked for', async () => {
    const { standIn, visits, sell } = fixture();
    sell();
    standIn.streamFaults = ['silent', 'silent'];
    const { page } = await visits.visit({ user: 'alice' });
    await buy(page).filter({ hasText: 'Buy' }).click();
    await page.locator('.order .badge').filter({ hasText: 'Confirmed' }).waitFor();
    const [order] = standIn.sale.orders;
    expect(standIn.requests).toContain(`/api/orders/${String(order?.orderId)}`);
    await page.locator('#result').filter({ hasText: 'Your order is confirmed' }).waitFor();
  });

  test('does not announce the countdown', async () => {
    const { visits, sell } = fixture();
    sell({ state: 'scheduled', opensAtMs: Date.now() + 45_000 });
    const { page } = await visits.visit({ user: 'alice' });
    const digits = page.locator('.digits').last();
    await digits.waitFor();
    await page.evaluate(`
      window.announced = [];
      const live = '[aria-live]:not([aria-live=off]), [role=status], [role=alert], output';
      for (const region of document.querySelectorAll(live)) {
        new MutationObserver(() => announced.push(region.textContent))
          .observe(region, { childList: true, characterData: true, subtree: true });
      }`);
    const twoLater = String(Number(await digits.innerText()) - 2).padStart(2, '0');
    await digits.filter({ hasText: twoLater }).waitFor();
    expect(await page.evaluate('window.announced')).toEqual([]);
  });

  test.each([
    ['a small phone', { width: 320, height: 568 }],
    ['a phone at 200 %', { width: phone.width / 2, height: phone.height / 2 }],
    ['a phone on its side', { width: 844, height: 390 }],
    ['a desk', { width: 1_280, height: 800 }],
  ])('fits %s', async (_name, viewport) => {
    const given = fixture();
    given.sell({ name: 'A long name for a small screen: celadon teapot, limited edition' });
    addPlaces(given);
    const { page } = await given.visits.visit({ user: 'alice', options: { viewport } });
    await buy(page).filter({ hasText: 'Buy' }).click();
    await page.locator('.order').waitFor();
    await page.locator('.place').first().waitFor();
    const width = await page.evaluate('document.documentElement.scrollWidth');
    expect(width).toBeLessThanOrEqual(viewport.width);
    const small = await page.evaluate(`
      [...document.querySelectorAll('button, a:not(.skip), [role=tab]')]
        .map((target) => ({ text: target.textContent, box: target.getBoundingClientRect() }))
        .filter(({ box }) => box.width > 0 && (box.width < 44 || box.height < 44))
        .map(({ text, box }) => text + ' ' + box.width + '×' + box.height)`);
    expect(small).toEqual([]);
  });

  test('turns nothing for those who asked for less motion', async () => {
    const given = fixture();
    given.sell();
    given.standIn.lastingFault = { kind: 'hang' };
    const { page } = await given.visits.visit({
      user: 'alice',
      options: { reducedMotion: 'reduce' },
    });
    await buy(page).filter({ hasText: 'Buy' }).click();
    await page.locator('.spinner').waitFor();
    expect(await page.evaluate('document.getAnimations().length')).toBe(0);
  });
});
