// Tells whether a pid still is the process it was: pids are reused, start times are not.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

/**
 * What tells this process from any other that ever had or will have its pid: when it started,
 * in this boot of the machine. Undefined when there is no such process, or only a zombie of it.
 */
export function identityOf(pid: number): string | undefined {
  return existsSync('/proc/self/stat') ? identityByProc(pid) : identityByPs(pid);
}

function identityByProc(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in brackets, may hold anything; what follows it are numbers (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state] = fields;
    const startTicks = fields[19];
    if (state === 'Z' || state === 'X' || startTicks === undefined) return undefined;
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot}:${startTicks}`;
  } catch {
    return undefined;
  }
}

function identityByPs(pid: number): string | undefined {
  try {
    const started = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return started.trim() === '' ? undefined : started.trim();
  } catch {
    return undefined;
  }
}
