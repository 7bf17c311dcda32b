// One thread of virtual time for all simulated processes. Whatever happens is an event: it runs, all
// that follows from it without waiting follows, and only then comes the next. So the order of the
// events, which the seed decides, is the order of everything.

import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import { createQueue } from './event-queue.ts';

// The real one, whatever is patched: it comes after all that is ready to run.
const afterAllThatIsReady = globalThis.setImmediate;

/** What a process is at the moment: frozen as by SIGSTOP, dead as by SIGKILL. */
export type ProcessState = 'running' | 'frozen' | 'dead';

/** A simulated process: it runs only in events of its own. */
export class Process {
  readonly name: string;
  /** How fast its monotonic clock is. */
  readonly clockRate: number;
  state: ProcessState = 'running';
  /** Its wall clock's error; it may jump. */
  wallOffsetMs = 0;
  held: TimedEvent[] = [];

  constructor(name: string, clockRate = 1) {
    this.name = name;
    this.clockRate = clockRate;
  }
}

/** Something a process waits for: its own clock, or an answer from outside. */
type EventKind = 'timer' | 'answer';

export interface TimedEvent {
  readonly atMs: number;
  readonly order: number;
  readonly process: Process | undefined;
  readonly kind: EventKind;
  readonly run: () => void;
  cancelled: boolean;
}

const startEpochMs = 1_790_000_000_000;
const context = new AsyncLocalStorage<{ readonly time: VirtualTime; readonly process: Process }>();

/** The simulated process that is running, if one is. */
export function current(): { readonly time: VirtualTime; readonly process: Process } | undefined {
  return context.getStore();
}

export class VirtualTime {
  readonly trace: string[] = [];
  readonly #queue = createQueue<TimedEvent>(isEarlier);
  #nowMs = 0;
  #order = 0;

  /** Since the start, by a clock that nobody in the simulation sees. */
  get nowMs(): number {
    return this.#nowMs;
  }

  get epochMs(): number {
    return startEpochMs + this.#nowMs;
  }

  /** Notes what happened, for a person and for the comparison of two runs. */
  note(text: string): void {
    this.trace.push(`${this.#nowMs.toFixed(3)} ${text}`);
  }

  traceHash(): string {
    return createHash('sha1').update(this.trace.join('\n')).digest('hex');
  }

  /** Runs something in so many milliseconds; in the world outside where no process is named. */
  after(delayMs: number, run: () => void, process?: Process, kind: EventKind = 'timer') {
    this.#order += 1;
    const atMs = this.#nowMs + Math.max(0, delayMs);
    const event: TimedEvent = { atMs, order: this.#order, process, kind, run, cancelled: false };
    this.#queue.add(event);
    return () => {
      event.cancelled = true;
    };
  }

  /** As soon as what is ready now has run. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(delayMs, resolve);
    });
  }

  /** Runs it as a part of that process. */
  inside<T>(process: Process, run: () => T): T {
    return context.run({ time: this, process }, run);
  }

  /** From here on nothing of it ever runs again. */
  kill(process: Process): void {
    process.state = 'dead';
    process.held = [];
  }

  freeze(process: Process): void {
    if (process.state === 'running') process.state = 'frozen';
  }

  /**
   * What came meanwhile comes now. A process that was stopped while it waited for its sockets
   * meets their answers before its timers.
   */
  thaw(process: Process, answersFirst: boolean): void {
    if (process.state !== 'frozen') return;
    process.state = 'running';
    const held = process.held.filter(({ cancelled }) => !cancelled);
    process.held = [];
    const isFirst = ({ kind }: TimedEvent) => answersFirst && kind === 'answer';
    const ordered = [...held.filter(isFirst), ...held.filter((event) => !isFirst(event))];
    for (const event of ordered) {
      this.#order += 1;
      // The same object again: whoever may cancel it still can.
      this.#queue.add(Object.assign(event, { atMs: this.#nowMs, order: this.#order }));
    }
  }

  /** Runs events until it is so; false where nothing is left to run, or the time is over. */
  async run(isDone: () => boolean, untilMs: number): Promise<boolean> {
    while (!isDone()) {
      const event = this.#queue.first();
      if (event === undefined || event.atMs > untilMs) return false;
      this.#queue.take();
      if (event.cancelled || event.process?.state === 'dead') continue;
      this.#nowMs = Math.max(this.#nowMs, event.atMs);
      if (event.process?.state === 'frozen') {
        event.process.held.push(event);
        continue;
      }
      if (event.process === undefined) context.exit(event.run);
      else this.inside(event.process, event.run);
      await new Promise((resolve) => afterAllThatIsReady(resolve));
    }
    return true;
  }
}

function isEarlier(one: TimedEvent, other: TimedEvent): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}
