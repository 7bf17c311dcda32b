// Time, chance and files as the shipped code sees them: in a simulated process they are those of
// the simulation, everywhere else they stay what they are.

import { createRequire, syncBuiltinESMExports } from 'node:module';
import { filesOf } from './files.ts';
import { randomOf } from './process-random.ts';
import { current } from './virtual-time.ts';

type Call = (...args: never[]) => unknown;
type Replacement = (running: NonNullable<ReturnType<typeof current>>, ...args: never[]) => unknown;

let installed = false;

/** Does nothing when it has been done before. */
export function installPatches(): void {
  if (installed) return;
  installed = true;
  patchTimers();
  patchClocks();
  patchChance();
  patchFiles();
  // Named imports of Node's own modules see it, too.
  syncBuiltinESMExports();
}

/** Replaces a method for as long as a simulated process runs. */
function patch(target: object, name: string, replacement: Replacement): void {
  const original = (Reflect.get(target, name) as Call).bind(target);
  const patched = (...args: never[]) => {
    const running = current();
    return running === undefined ? original(...args) : replacement(running, ...args);
  };
  Reflect.set(target, name, Object.assign(patched, Reflect.get(target, name) as object));
}

interface SimulatedTimer {
  readonly cancel: () => void;
  ref(): SimulatedTimer;
  unref(): SimulatedTimer;
  hasRef(): boolean;
}

function patchTimers(): void {
  type Start = (run: (...args: unknown[]) => void, delayMs?: number, ...args: unknown[]) => unknown;
  const start: (running: NonNullable<ReturnType<typeof current>>, ...args: never[]) => unknown = (
    { time, process },
    ...rest
  ) => {
    const [run, delayMs = 0, ...args] = rest as unknown as Parameters<Start>;
    const trueMs = Math.max(1, delayMs) / process.clockRate;
    const once = () => {
      run(...args);
    };
    const cancel = time.after(trueMs, once, process);
    const timer: SimulatedTimer = {
      cancel,
      ref: () => timer,
      unref: () => timer,
      hasRef: () => true,
    };
    return timer;
  };
  patch(globalThis, 'setTimeout', start);
  patch(globalThis, 'setImmediate', ({ time, process }, ...rest) => {
    const [run, ...args] = rest as unknown as [(...args: unknown[]) => void, ...unknown[]];
    const once = () => {
      run(...args);
    };
    return { cancel: time.after(0, once, process) };
  });
  for (const name of ['clearTimeout', 'clearImmediate']) {
    patch(globalThis, name, (_, timer) => {
      (timer as SimulatedTimer | undefined)?.cancel();
    });
  }
  const promises = createRequire(import.meta.url)('node:timers/promises') as object;
  patch(promises, 'setTimeout', (_, ...rest) => {
    const [delayMs, value, options] = rest as unknown as [
      number?,
      unknown?,
      { signal?: AbortSignal }?,
    ];
    return sleep(delayMs, value, options?.signal);
  });
}

function sleep(delayMs: number | undefined, value: unknown, signal: AbortSignal | undefined) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      resolve(value);
    }, delayMs);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(new DOMException('The operation was aborted', 'AbortError'));
    });
  });
}

function patchClocks(): void {
  patch(performance, 'now', ({ time, process }) => time.nowMs * process.clockRate);
  patch(Date, 'now', ({ time, process }) => Math.floor(time.epochMs + process.wallOffsetMs));
}

function patchChance(): void {
  patch(Math, 'random', ({ time }) => randomOf(time).next());
  const crypto = createRequire(import.meta.url)('node:crypto') as object;
  patch(crypto, 'randomUUID', ({ time }) => {
    const { hex } = randomOf(time);
    return `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`;
  });
  patch(crypto, 'randomBytes', ({ time }, size) =>
    Buffer.from(randomOf(time).hex(2 * (size as number)), 'hex'),
  );
}

function patchFiles(): void {
  const promises = createRequire(import.meta.url)('node:fs/promises') as object;
  for (const name of ['mkdir', 'open', 'readFile', 'rename', 'rm'] as const) {
    patch(promises, name, ({ time }, ...args) => {
      const method = filesOf(time)[name] as Call;
      return method(...args);
    });
  }
}
