import { expect, test } from 'vitest';
import { openingAnnouncer } from './announcer.ts';
import { textsFor } from './texts.ts';

test('of the last hour only three moments are announced', () => {
  const announce = openingAnnouncer(textsFor(['en']));
  const said: string[] = [];
  for (let leftMs = 3_600_000; leftMs > -60_000; leftMs -= 997) {
    const text = announce(leftMs);
    if (text !== undefined) said.push(text);
  }
  expect(said).toEqual([
    'The sale opens in one minute.',
    'The sale opens in 10 seconds.',
    'The sale is open. You can buy now.',
  ]);
});

test('who comes to an open sale is told nothing', () => {
  const announce = openingAnnouncer(textsFor(['en']));
  expect([announce(-1), announce(-1_000)]).toEqual([undefined, undefined]);
});
