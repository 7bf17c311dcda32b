// How the program ends: with which status, and with which one line on standard error.

/** Exit statuses. They are part of the contract of the command line. */
export const exits = {
  /** It did what was asked; `verify`: every promise holds. */
  done: 0,
  /** It did not; `verify`, `reconcile`: a promise is broken. */
  failed: 1,
  /** `verify`, `reconcile`: it could not tell. */
  unknown: 2,
  /** The command line is wrong; nothing was asked of anybody (EX_USAGE of sysexits.h). */
  usage: 64,
  /** Ended by Ctrl-C. */
  interrupted: 130,
} as const;

/** A failure that is told in one line: what is wrong and what to do. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly status: number;

  constructor(message: string, status: number = exits.failed) {
    super(message);
    this.status = status;
  }
}

/** The command line asks for something that cannot be. */
export function usageError(message: string): CliError {
  return new CliError(message, exits.usage);
}
