// Loaded into a function before its own code: its clock is off by as many milliseconds as the file
// `clock` of its folder says, from a moment after that is written. Only what JavaScript calls the
// date is set, as on a machine whose clock is set: timers and time-outs go on as they were.

import { readFileSync, watchFile } from 'node:fs';
import { join } from 'node:path';

const lookEveryMs = 100;
const file = join(process.env['SECKILL_STATE_DIR'] ?? '.', 'clock');
const trueNow = Date.now.bind(Date);
let offMs = 0;

function look(): void {
  try {
    offMs = Number(readFileSync(file, 'utf8'));
  } catch {
    offMs = 0;
  }
}

look();
watchFile(file, { interval: lookEveryMs, persistent: false }, look);
Date.now = () => trueNow() + offMs;
globalThis.Date = new Proxy(Date, {
  construct(target, args: unknown[], newTarget) {
    const given = args.length === 0 ? [target.now()] : args;
    return Reflect.construct(target, given, newTarget) as object;
  },
  apply: () => new Date().toString(),
});
