// Every crash point, killed and frozen, one after the other on one running system.

import { afterAll, beforeAll, test } from 'vitest';
import { sayOnStderr } from '../say.ts';
import { crash, lockTtlMs } from './crash.ts';
import { allCases } from './crash-cases.ts';
import { type Fleet, startFleet } from './fleet.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet({ lockTtlMs });
}, 120_000);
afterAll(() => fleet.stop());

test.each(allCases)(
  '$scene, $point: $how, twin: $twin',
  { timeout: 120_000 },
  async (crashCase) => {
    const { point, how, twin } = crashCase;
    const went = await crash(fleet, crashCase);
    sayOnStderr(point, `${how}${twin ? ' with a twin' : ''}: ${went}`);
  },
);
