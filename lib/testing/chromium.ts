// A real Chromium for tests of pages: found on the machine, or installed where that is allowed.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const places = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
];
const installTimeoutMs = 300_000;

/** The path of a Chromium, or why there is none and what to do about it. */
export function findChromium(): { readonly path: string } | { readonly missing: string } {
  const found = places.find((place) => existsSync(place));
  if (found !== undefined) return { path: found };
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    return { missing: 'there is no Chromium here; install it (Debian: apt-get install chromium)' };
  }
  try {
    const options = {
      timeout: installTimeoutMs,
      stdio: 'pipe',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    } as const;
    execFileSync('apt-get', ['update', '-q'], options);
    execFileSync(
      'apt-get',
      ['install', '-q', '-y', '--no-install-recommends', 'chromium'],
      options,
    );
  } catch (error) {
    return { missing: `Chromium could not be installed: ${String(error)}` };
  }
  const installed = places.find((place) => existsSync(place));
  return installed === undefined
    ? { missing: 'apt-get installed chromium, but not to a place that is known here' }
    : { path: installed };
}

/** A headless browser with an empty profile that asks nobody but the page's own server. */
export function launchChromium(path: string): Promise<Browser> {
  return chromium.launch({
    executablePath: path,
    headless: true,
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
