// Pages of the storefront in a real browser, as a buyer's phone opens them. Whatever a page says
// on its console, throws, or asks of another host is kept, so that no test passes over it.

import { resolve } from 'node:path';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { tokenFor } from './stand-in.ts';

export interface Visit {
  /** Signed out without one. */
  readonly user?: string;
  readonly path?: string;
  readonly token?: string;
  readonly options?: BrowserContextOptions;
}

export interface Visitor {
  readonly page: Page;
  readonly context: BrowserContext;
}

export const phone = { width: 390, height: 844 };
const axeScript = resolve(import.meta.dirname, '../../../node_modules/axe-core/axe.min.js');

export interface Visits {
  readonly visit: (visit?: Visit) => Promise<Visitor>;
  /** What went wrong on any page since the last call; empty on good days. */
  readonly complaints: () => string[];
  /** Closes all pages. */
  readonly leave: () => Promise<void>;
}

/** `provider`: the one other origin that pages may ask. */
export function createVisits(browser: Browser, url: string, provider = url): Visits {
  let contexts: BrowserContext[] = [];
  let complaints: string[] = [];
  return {
    async visit({ user, path = '/', token, options } = {}) {
      const context = await browser.newContext({
        locale: 'en-GB',
        viewport: phone,
        isMobile: true,
        hasTouch: true,
        ...options,
      });
      contexts.push(context);
      const page = await context.newPage();
      page.on('console', (message) => {
        // The browser notes every 4xx, 5xx and broken connection: these are what tests provoke.
        const isNetwork = /^Failed to load resource/.test(message.text());
        if (message.type() === 'error' && !isNetwork) complaints.push(message.text());
      });
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on('request', (request) => {
        const isExpected = [url, provider].some((origin) => request.url().startsWith(`${origin}/`));
        if (!isExpected) complaints.push(`asked ${request.url()}`);
      });
      const given = token ?? (user === undefined ? undefined : tokenFor(user));
      await page.goto(`${url}${path}${given === undefined ? '' : `#token=${given}`}`);
      return { page, context };
    },
    complaints() {
      const said = complaints;
      complaints = [];
      return said;
    },
    async leave() {
      await Promise.all(contexts.map((context) => context.close()));
      contexts = [];
    },
  };
}

/** What axe finds against WCAG 2.2 AA; needs a context with `bypassCSP`. */
export async function axeFindings(page: Page): Promise<string[]> {
  await page.addScriptTag({ path: axeScript });
  return await page.evaluate(async () => {
    interface Findings {
      violations: { id: string; nodes: { target: unknown[]; failureSummary: string }[] }[];
    }
    const { axe } = globalThis as unknown as {
      axe: { run(options: object): Promise<Findings> };
    };
    const { violations } = await axe.run({
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    });
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id} ${String(target[0])}: ${failureSummary}`),
    );
  });
}
