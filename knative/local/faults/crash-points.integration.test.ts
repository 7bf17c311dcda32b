// A few of the crashes of `npm run test:crash`, with every run of the tests.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { crash, lockTtlMs } from './crash.ts';
import { fewCases } from './crash-cases.ts';
import { type Fleet, startFleet } from './fleet.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet({ lockTtlMs });
}, 120_000);
afterAll(() => fleet.stop());

test.each(fewCases)(
  '$scene, $point: $how, twin: $twin',
  { timeout: 120_000 },
  async (crashCase) => {
    expect(await crash(fleet, crashCase)).toMatch(/^150 sold/);
  },
);
