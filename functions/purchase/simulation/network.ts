// Calls from simulated processes to simulated stores. A call's effect and its answer are two steps:
// either may be lost, late, or come after the caller was killed.

import { current, type Process, type VirtualTime } from './virtual-time.ts';

export type StoreName = 'etcd' | 'redis' | 'kafka' | 'mysql' | 'disk';

/** One call: who asks whom for what. */
export interface Call {
  readonly process: Process;
  readonly store: StoreName;
  readonly step: string;
}

/** What becomes of a call; times in milliseconds. */
export interface Fate {
  /** Until it reaches the store; never where it is undefined. */
  readonly requestMs: number | undefined;
  /** From the effect to the caller; the answer never comes where it is undefined. */
  readonly answerMs: number | undefined;
  /** The connection breaks for the caller after so long, whatever the store does. */
  readonly breaksAfterMs?: number;
}

export interface Answer<T> {
  readonly give: (value: T) => void;
  readonly fail: (error: Error) => void;
}

export interface CallOptions<T> {
  readonly call: Call;
  /** Does it at the store, and says what the answer is. */
  readonly serve: (() => T) | { readonly later: (answer: Answer<T>) => void };
  readonly timeoutMs?: number;
  /** What the caller sees where the connection broke or the answer did not come in time. */
  readonly errorOf: (reason: 'broken' | 'timeout') => Error;
  /** Calls of one channel reach the store in order, and so do their answers. */
  readonly channel?: string;
}

/** Decides what becomes of calls, and may strike their callers. */
export interface Fortune {
  readonly fateOf: (call: Call) => Fate;
  /** Just before the effect, and just after it. */
  readonly strike: (call: Call, moment: 'before' | 'after') => void;
}

function answerAtOnce<T>(answer: Answer<T>, serve: () => T): void {
  try {
    answer.give(serve());
  } catch (error) {
    answer.fail(error as Error);
  }
}

export class Network {
  readonly #time: VirtualTime;
  fortune: Fortune;
  /** Steps that were done, with how often. */
  readonly stepsDone = new Map<string, number>();
  readonly #lastArrivals = new Map<string, number>();

  constructor(time: VirtualTime, fortune: Fortune) {
    this.#time = time;
    this.fortune = fortune;
  }

  /** The call of the process that is running, as it looks to that process. */
  call<T>(store: StoreName, step: string, options: Omit<CallOptions<T>, 'call'>): Promise<T> {
    const running = current();
    if (running === undefined) throw new Error(`nobody runs who could ask ${store}`);
    return this.#call({ ...options, call: { process: running.process, store, step } });
  }

  #call<T>({ call, serve, timeoutMs, errorOf, channel }: CallOptions<T>): Promise<T> {
    const { process, store, step } = call;
    const time = this.#time;
    const fate = this.fortune.fateOf(call);
    return new Promise<T>((resolve, reject) => {
      const giveUp = (reason: 'broken' | 'timeout') => () => {
        time.note(`${process.name} ${store} ${step}: ${reason}`);
        reject(errorOf(reason));
      };
      const cancels = [
        ...(timeoutMs === undefined ? [] : [time.after(timeoutMs, giveUp('timeout'), process)]),
        ...(fate.breaksAfterMs === undefined
          ? []
          : [time.after(fate.breaksAfterMs, giveUp('broken'), process, 'answer')]),
      ];
      const settle = (run: () => void) => {
        if (fate.answerMs === undefined) return;
        const arrive = () => {
          for (const cancel of cancels) cancel();
          run();
        };
        this.#inOrder(fate.answerMs, channel && `${channel} answers`, arrive, process);
      };
      const answer: Answer<T> = {
        give(value) {
          settle(() => {
            resolve(value);
          });
        },
        fail(error) {
          settle(() => {
            reject(error);
          });
        },
      };
      if (fate.requestMs === undefined) return;
      this.#inOrder(fate.requestMs, fate.breaksAfterMs === undefined ? channel : undefined, () => {
        this.fortune.strike(call, 'before');
        time.note(`${process.name} ${store} ${step}`);
        this.stepsDone.set(step, (this.stepsDone.get(step) ?? 0) + 1);
        if ('later' in serve) serve.later(answer);
        else answerAtOnce(answer, serve);
        this.fortune.strike(call, 'after');
      });
    });
  }

  #inOrder(delayMs: number, channel: string | undefined, run: () => void, process?: Process) {
    const time = this.#time;
    let atMs = time.nowMs + delayMs;
    if (channel !== undefined) {
      atMs = Math.max(atMs, this.#lastArrivals.get(channel) ?? 0);
      this.#lastArrivals.set(channel, atMs);
    }
    time.after(atMs - time.nowMs, run, process, 'answer');
  }
}
