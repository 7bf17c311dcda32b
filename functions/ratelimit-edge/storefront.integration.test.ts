// A buyer's way through the page on the whole running system: the countdown, the purchase, the
// order in the books, the place on the board, and what the next buyer finds.

import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchChromium } from '#lib/testing/chromium.ts';
import { startTestRuntime, type TestRuntime } from '#lib/testing/runtime.ts';
import { axeFindings, createVisits, type Visits } from './storefront-testing/browser.ts';
import { chromiumPath, missing } from './storefront-testing/fixture.ts';

const screenshots = resolve(import.meta.dirname, '../../.seckill/screenshots');

describe.skipIf(missing !== undefined)('the storefront on the whole system', () => {
  let system: TestRuntime;
  let browser: Browser;
  let visits: Visits;

  beforeAll(async () => {
    mkdirSync(screenshots, { recursive: true });
    [system, browser] = await Promise.all([startTestRuntime(), launchChromium(chromiumPath)]);
    visits = createVisits(browser, system.url);
  }, 180_000);

  afterAll(async () => {
    await browser.close();
    await system.stop();
  }, 60_000);

  async function open(user: string, options: { locale: string; colorScheme: 'light' | 'dark' }) {
    const { stdout } = await system.cli('token', '--user', user);
    const path = '/?product=teapot';
    const { page } = await visits.visit({ token: stdout.trim(), path, options });
    return page;
  }

  async function sell(stock: number, limit: number, opens: string): Promise<void> {
    const named = ['teapot', '--name', '青瓷茶壶 Celadon teapot', '--price', '19900'];
    const amounts = ['--stock', `${stock}`, '--limit', `${limit}`, '--opens', opens];
    const created = await system.cli('sale', 'create', ...named, ...amounts);
    expect(created, created.stderr).toMatchObject({ status: 0 });
  }

  async function shoot(page: Page, name: string): Promise<void> {
    await page.screenshot({ path: join(screenshots, `${name}.png`) });
  }

  test('from the countdown to the leaderboard, and sold out for the next', async () => {
    await sell(2, 2, '+12s');
    const alice = await open('alice', { locale: 'en-GB', colorScheme: 'light' });
    const asked: string[] = [];
    alice.on('request', (request) => asked.push(new URL(request.url()).pathname));
    const buy = alice.locator('#buy');
    await buy.filter({ hasText: 'Not open yet' }).waitFor();
    await alice.locator('.digits').last().waitFor();
    await shoot(alice, 'countdown');

    // It opens by itself.
    await buy.filter({ hasText: 'Buy · CN¥199.00' }).waitFor({ timeout: 20_000 });
    await alice.getByRole('button', { name: 'One more' }).click();
    await buy.filter({ hasText: 'CN¥398.00' }).click();
    await alice.locator('#result').filter({ hasText: '2 are yours!' }).waitFor();
    await alice.locator('.order .badge').filter({ hasText: 'Confirmed' }).waitFor();
    // The confirmation arrived by itself.
    const ofOrder = asked.filter((path) => /^\/api\/orders\/./.test(path));
    expect(ofOrder.map((path) => path.split('/').slice(4))).toEqual([['events']]);
    await alice.locator('.places .place-buyer').filter({ hasText: 'You · ' }).waitFor();
    await shoot(alice, 'bought');

    // The order is the server's, not the page's.
    await alice.reload();
    await alice.locator('.order .badge').filter({ hasText: 'Confirmed' }).waitFor();
    expect(await alice.locator('.order').count()).toBe(1);
    await buy.filter({ hasText: 'Sold out' }).waitFor();

    const bob = await open('bob', { locale: 'zh-CN', colorScheme: 'dark' });
    await bob.locator('.figure').filter({ hasText: '已抢光' }).waitFor();
    await bob.locator('.places .place').first().waitFor();
    expect(await bob.locator('.places').innerText()).not.toContain('alice');
    await shoot(bob, 'sold-out');

    const verified = await system.cli('verify', 'teapot', '-o', 'json');
    expect(JSON.parse(verified.stdout), verified.stderr).toMatchObject({ sold: 2, ok: true });
    expect(visits.complaints()).toEqual([]);
  });

  test('axe finds nothing on the page as the edge serves it', async () => {
    const context = { locale: 'en-GB', bypassCSP: true, reducedMotion: 'reduce' } as const;
    const { page } = await visits.visit({ options: context });
    await page.locator('.sale').first().waitFor();
    expect(await axeFindings(page)).toEqual([]);
    await visits.leave();
  });
});
