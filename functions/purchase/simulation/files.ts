// The disk of the simulated processes, as far as the write-ahead record needs it. A process that is
// killed leaves what it has written (the machine does not lose power).

import type { Network } from './network.ts';
import { current, type VirtualTime } from './virtual-time.ts';

export interface Files {
  readonly mkdir: () => Promise<void>;
  readonly open: (path: string, flags: string) => Promise<FileHandle>;
  readonly readFile: (path: string) => Promise<string>;
  readonly rename: (from: string, to: string) => Promise<void>;
  readonly rm: (path: string) => Promise<void>;
}

interface FileHandle {
  writeFile(content: string): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

const disks = new WeakMap<VirtualTime, Files>();

export function filesOf(time: VirtualTime): Files {
  const files = disks.get(time);
  if (files === undefined) throw new Error('this simulation has no disk');
  return files;
}

/** The disk that all processes of this simulation share. */
export function createFiles(time: VirtualTime, network: Network): void {
  const contents = new Map<string, string>();
  const step = <T>(name: string, effect: () => T) =>
    network.call<T>('disk', name, {
      errorOf: () => new Error('the disk failed'),
      serve: effect,
    });
  const missing = (path: string) => Object.assign(new Error(`no ${path}`), { code: 'ENOENT' });

  disks.set(time, {
    mkdir: () => Promise.resolve(),
    async open(given, flags) {
      const path = ownPath(given);
      if (flags === 'w') await step('file created', () => contents.set(path, ''));
      return {
        writeFile: (content) =>
          step('file written', () => {
            contents.set(path, content);
          }),
        sync: () => Promise.resolve(),
        close: () => Promise.resolve(),
      };
    },
    readFile: (path) =>
      step('file read', () => {
        const content = contents.get(path);
        if (content === undefined) throw missing(path);
        return content;
      }),
    async rename(given, to) {
      const from = ownPath(given);
      await step('file renamed', () => {
        const content = contents.get(from);
        if (content === undefined) throw missing(from);
        contents.delete(from);
        contents.set(to, content);
      });
    },
    rm: (path) =>
      step('file removed', () => {
        contents.delete(path);
      }),
  });
}

/** All simulated processes have the pid of the simulation; theirs would differ. */
function ownPath(path: string): string {
  return path.replace(`.${process.pid}.`, `.${current()?.process.name ?? ''}.`);
}
