// Time and names of a real process; a test or a simulation passes its own.

import { randomBytes, randomUUID } from 'node:crypto';
import type { Clock, LockIds } from './lock.ts';

export const systemClock: Clock = {
  now: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, Math.ceil(Math.max(0, delayMs)));
    return () => {
      clearTimeout(timer);
    };
  },
};

export const randomIds: LockIds = {
  uuid: () => randomUUID(),
  leaseId: () => String((randomBytes(8).readBigUInt64BE() >> 1n) | 1n),
};
