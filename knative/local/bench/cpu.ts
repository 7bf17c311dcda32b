// What each process costs: the CPU time of everything that was started here, and of this process
// and the load generators that it has seen end. Where the load and the stores share the cores with
// what is measured, this says more than a rate, and other work on the machine hardly changes it.

import { readFileSync } from 'node:fs';
import { allProcesses } from '../process.ts';
import { round } from './row.ts';

/** CPU milliseconds until now, user and system, by the kind of process. */
export type CpuTimes = ReadonlyMap<string, number>;

/** The kernel's USER_HZ, on every platform that Node runs on. */
const msPerTick = 10;
const own = 'bench';
/** The only program that is waited for while something is measured. */
const ended = 'wrk';

export function readCpuTimes(): CpuTimes {
  const times = new Map<string, number>();
  const add = (kind: string, ms: number) => times.set(kind, (times.get(kind) ?? 0) + ms);
  for (const { name, pid } of allProcesses()) {
    // Instances of one function count together.
    add(name.replace(/-\d+$/, ''), timesOf(String(pid)).ownMs);
  }
  const { ownMs, endedMs } = timesOf('self');
  add(own, ownMs);
  add(ended, endedMs);
  return times;
}

/** Milliseconds for a thousand of what was counted in between; what took none is left out. */
export function cpuMsPerThousand(
  before: CpuTimes,
  after: CpuTimes,
  count: number,
): Record<string, number> {
  const each = [...after].map(([kind, ms]): [string, number] => {
    return [kind, round(((ms - (before.get(kind) ?? 0)) * 1_000) / count, 1)];
  });
  const some = each.filter(([, ms]) => ms > 0).toSorted(([, a], [, b]) => b - a);
  const all = some.reduce((sum, [, ms]) => sum + ms, 0);
  return { all: round(all, 1), ...Object.fromEntries(some) };
}

/** Zero for one that has just ended. */
function timesOf(pid: string): { ownMs: number; endedMs: number } {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The program's name, in parentheses, may contain anything.
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields.slice(11, 15);
    return {
      ownMs: (user + system) * msPerTick,
      endedMs: (endedUser + endedSystem) * msPerTick,
    };
  } catch {
    return { ownMs: 0, endedMs: 0 };
  }
}
