// Progress for whoever waits: one calm line per thing that happened, whose it was first.

/** Says what a part of the runtime has just done, or will take a while to do. */
export type Say = (part: string, text: string) => void;

/** Progress on standard error, so that standard output stays what a program printed. */
export const sayOnStderr: Say = (part, text) => {
  process.stderr.write(`  ${part.padEnd(14)} ${text}\n`);
};

/** `1.2 s`, since a moment told by `performance.now()`. */
export function secondsSince(startedAtMs: number): string {
  return `${((performance.now() - startedAtMs) / 1_000).toFixed(1)} s`;
}
