// Inside one process a product is used by one at a time, first come first served: the process has
// one place in the product's queue in etcd.

interface Waiter {
  readonly enter: () => void;
}

export interface Turns {
  /** Waits for the turn. Throws the signal's reason, and then has no turn. */
  take(productId: string, signal: AbortSignal): Promise<void>;
  /** Lets the next one in. */
  give(productId: string): void;
  isTaken(productId: string): boolean;
  /** How many wait for the turn. */
  waiting(productId: string): number;
}

export function createTurns(): Turns {
  const taken = new Map<string, Waiter[]>();

  return {
    async take(productId, signal) {
      signal.throwIfAborted();
      const queue = taken.get(productId);
      if (queue === undefined) {
        taken.set(productId, []);
        return;
      }
      await new Promise<void>((resolve, reject) => {
        const onAbort = () => {
          queue.splice(queue.indexOf(waiter), 1);
          reject(signal.reason as Error);
        };
        const waiter = {
          enter: () => {
            signal.removeEventListener('abort', onAbort);
            resolve();
          },
        };
        queue.push(waiter);
        signal.addEventListener('abort', onAbort, { once: true });
      });
    },
    give(productId) {
      const next = taken.get(productId)?.shift();
      if (next === undefined) taken.delete(productId);
      else next.enter();
    },
    isTaken: (productId) => taken.has(productId),
    waiting: (productId) => taken.get(productId)?.length ?? 0,
  };
}
