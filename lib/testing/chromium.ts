// A real Chromium for tests of pages: found on the machine, or installed where that is allowed.

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { sayOnStderr } from '#knative/local/say.ts';
import { ensurePrograms } from '#knative/local/stores/programs.ts';

const places = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome-stable',
  '/usr/bin/google-chrome',
];
const logFile = join(resolve(import.meta.dirname, '../..'), '.seckill', 'chromium-install.log');

/** The path of a Chromium, or why there is none and what to do about it. */
export async function findChromium(): Promise<
  { readonly path: string } | { readonly missing: string }
> {
  const found = places.find((place) => existsSync(place));
  if (found !== undefined) return { path: found };
  try {
    await ensurePrograms([{ program: 'chromium', debianPackage: 'chromium' }], logFile, (text) => {
      sayOnStderr('chromium', text);
    });
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
    return { missing: `no Chromium (${why}); install it: apt-get install chromium` };
  }
  const installed = places.find((place) => existsSync(place));
  return installed === undefined
    ? { missing: 'chromium was installed, but to no place that is known here' }
    : { path: installed };
}

/** A headless browser with an empty profile that asks nobody but the page's own server. */
export function launchChromium(path: string): Promise<Browser> {
  return chromium.launch({
    executablePath: path,
    headless: true,
    // Tests run as root in containers, where the sandbox cannot start.
    chromiumSandbox: false,
    args: [
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
