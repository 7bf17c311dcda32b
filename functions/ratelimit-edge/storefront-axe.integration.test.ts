// What axe has to say about the page in each of its states, against WCAG 2.2 AA, in both colour
// schemes.

import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { axeFindings } from './storefront-testing/browser.ts';
import { addPlaces, type Fixture, missing, useFixture } from './storefront-testing/fixture.ts';

interface State {
  readonly name: string;
  readonly locale: string;
  readonly isSignedOut?: boolean;
  /** Puts the server into the state. */
  readonly arrange: (given: Fixture) => void;
  /** Puts the page into the state and waits until it shows. */
  readonly act: (page: Page) => Promise<void>;
}

const buy = (page: Page) => page.locator('#buy').click();
const see = (page: Page, selector: string) => page.locator(selector).first().waitFor();

const states: readonly State[] = [
  {
    name: 'before the opening',
    locale: 'zh-CN',
    arrange: ({ sell }) => {
      sell({ state: 'scheduled', opensAtMs: Date.now() + 90_000_000 });
    },
    act: (page) => see(page, '.countdown'),
  },
  {
    name: 'signed out',
    locale: 'en-GB',
    isSignedOut: true,
    arrange: ({ sell }) => {
      sell();
    },
    act: (page) => see(page, '.notice'),
  },
  {
    name: 'bought, with a leaderboard',
    locale: 'en-GB',
    arrange: (given) => {
      given.sell();
      addPlaces(given);
    },
    async act(page) {
      await buy(page);
      await see(page, '.order');
      await see(page, '.place');
    },
  },
  {
    name: 'not known yet',
    locale: 'zh-CN',
    arrange: ({ sell, standIn }) => {
      sell();
      standIn.lastingFault = { kind: 'refuse', outcome: 'unavailable' };
    },
    async act(page) {
      await buy(page);
      await see(page, '.message-actions button');
    },
  },
  {
    name: 'refused',
    locale: 'en-GB',
    arrange: ({ sell, standIn }) => {
      sell();
      standIn.faults = [{ kind: 'refuse', outcome: 'limit_reached' }];
    },
    async act(page) {
      await buy(page);
      await see(page, '.message[data-tone=bad]');
    },
  },
  {
    name: 'a list of sales',
    locale: 'en-GB',
    arrange: ({ sell }) => {
      sell();
      sell({ left: 0 });
      sell({ state: 'scheduled', opensAtMs: undefined });
    },
    act: (page) => see(page, '.sale'),
  },
  {
    name: 'out of reach',
    locale: 'zh-CN',
    arrange: ({ standIn }) => {
      standIn.isAway = true;
    },
    act: (page) => see(page, '.empty-state'),
  },
];

describe.skipIf(missing !== undefined)('axe finds nothing', () => {
  const fixture = useFixture();

  test.each(states)('$name', async ({ locale, isSignedOut, arrange, act }) => {
    const given = fixture();
    arrange(given);
    const { page } = await given.visits.visit({
      ...(isSignedOut === true ? {} : { user: 'alice' }),
      // Axe is added to the page, which the page's own policy forbids; the other tests keep it.
      options: { locale, bypassCSP: true, reducedMotion: 'reduce', colorScheme: 'light' },
    });
    await act(page);
    expect(await axeFindings(page), 'in light colours').toEqual([]);
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await axeFindings(page), 'in dark colours').toEqual([]);
  });
});
