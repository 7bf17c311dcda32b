// What the kernel says that a process holds (proc(5)): memory, and open files by kind.

import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface ProcessFigures {
  /** In MB of 10^6 bytes; `proportional` counts what is shared by its part. */
  readonly residentMb: number;
  readonly proportionalMb: number;
  /** Neither files nor shared. */
  readonly anonymousMb: number;
  readonly threads: number;
  readonly handles: Handles;
}

export interface Handles {
  readonly sockets: number;
  readonly files: number;
  /** Pipes, timers, polls. */
  readonly others: number;
}

/** Throws where the machine has no /proc. */
export function assertHasProc(): void {
  if (existsSync('/proc/self/smaps_rollup')) return;
  throw new Error('What processes hold is read from /proc, which only Linux has.');
}

/** Undefined where there is no such process any more. */
export function readProcess(pid: number): ProcessFigures | undefined {
  try {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return {
      residentMb: megabytes(rollup, 'Rss'),
      proportionalMb: megabytes(rollup, 'Pss'),
      anonymousMb: megabytes(status, 'RssAnon'),
      threads: field(status, 'Threads'),
      handles: readHandles(pid),
    };
  } catch {
    return undefined;
  }
}

export function totalOf({ sockets, files, others }: Handles): number {
  return sockets + files + others;
}

function readHandles(pid: number): Handles {
  const folder = `/proc/${pid}/fd`;
  const handles = { sockets: 0, files: 0, others: 0 };
  for (const name of readdirSync(folder)) {
    let target: string;
    try {
      target = readlinkSync(`${folder}/${name}`);
    } catch {
      // It was closed just now.
      continue;
    }
    if (target.startsWith('socket:')) handles.sockets += 1;
    else if (target.startsWith('/')) handles.files += 1;
    else handles.others += 1;
  }
  return handles;
}

function megabytes(text: string, name: string): number {
  return (field(text, name) * 1_024) / 1e6;
}

function field(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? Number.NaN);
}
