// The hostile clients as a program of their own: `main.ts PORT SECONDS IDLE STAYING PASSING`.
// Only loopback is attacked. It ends by itself, and prints what it saw, one JSON line a second;
// the first is printed when all have gathered.

import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { staying } from './behaviours.ts';
import { gather } from './crowd.ts';

const secondsMax = 600;
/** For passing clients, and for Node itself. */
const filesReserved = 512;

const numbers = process.argv.slice(2).map(Number);
const [port = 0, seconds = 0, idle = 0, stayingEach = 0, passingPerSecond = 0] = numbers;
if (numbers.length !== 5 || !numbers.every((one) => Number.isSafeInteger(one) && one >= 0)) {
  throw new Error('Usage: main.ts PORT SECONDS IDLE STAYING PASSING');
}

const needed = idle + stayingEach * (staying.length - 2) + filesReserved;
const limits = readFileSync('/proc/self/limits', 'utf8');
const allowed = Number(/^Max open files +(\d+)/m.exec(limits)?.[1]);
if (allowed < needed) {
  throw new Error(
    `so many clients need ${needed} open files, and ${allowed} are allowed. What to do: ` +
      `ulimit -n ${needed} (or, as root: prlimit --pid $$ --nofile=${needed})`,
  );
}

const endsAtMs = performance.now() + Math.min(seconds, secondsMax) * 1_000;
const crowd = gather(port, { idle, staying: stayingEach, passingPerSecond });
await Promise.race([crowd.gathered, setTimeout(seconds * 1_000)]);
while (performance.now() < endsAtMs) {
  console.log(JSON.stringify({ connected: crowd.connected(), seen: crowd.seen() }));
  await setTimeout(1_000);
}
crowd.leave();
process.exit(0);
