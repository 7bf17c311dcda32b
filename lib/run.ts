// Runs a function's `start`; a start that fails says why in one line and ends the process.

/** Never throws. An environment that is incomplete is told without a stack trace. */
export function run(name: string, start: () => Promise<void>): void {
  start().catch((error: unknown) => {
    const text = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${name} could not start. ${text}\n`);
    process.exit(1);
  });
}
