// The chance of a simulation, for what the shipped code draws itself.

import type { Random } from './random.ts';
import type { VirtualTime } from './virtual-time.ts';

const randoms = new WeakMap<VirtualTime, Random>();

export function setRandom(time: VirtualTime, random: Random): void {
  randoms.set(time, random);
}

export function randomOf(time: VirtualTime): Random {
  const random = randoms.get(time);
  if (random === undefined) throw new Error('this simulation has no chance');
  return random;
}
