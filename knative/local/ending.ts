// When a runtime has to end: at a signal, or when npm, for whom it ran, is gone.

export interface Ending {
  hasBegun(): boolean;
}

export interface EndingActions {
  /** Ends everything in order, then the process. Called once. */
  readonly leave: () => void;
  /** Called when somebody doesn't want to wait for that. */
  readonly kill: () => void;
}

/** One Ctrl-C reaches us several times: from the terminal, from npm, from the bootstrap. */
const secondSignalAfterMs = 1_000;
const parentCheckMs = 1_000;

export function onEnding({ leave, kill }: EndingActions): Ending {
  let begunAtMs: number | undefined;
  const begin = (why: string) => {
    if (begunAtMs !== undefined) {
      if (performance.now() - begunAtMs > secondSignalAfterMs) kill();
      return;
    }
    begunAtMs = performance.now();
    console.error(`\nStopping (${why}); once more to kill …`);
    leave();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      begin(signal);
    });
  }
  // npm killed with -9 takes nobody with it, but whoever it ran for is gone.
  if (process.env.npm_lifecycle_event !== undefined) {
    const parent = process.ppid;
    const check = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(check);
      begin('npm has ended');
    }, parentCheckMs);
    check.unref();
  }
  return { hasBegun: () => begunAtMs !== undefined };
}
