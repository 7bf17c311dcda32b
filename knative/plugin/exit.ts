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

/** What a program is told besides, with `-o json`. */
export interface ForPrograms {
  /** Stable, and the edge's own where it has refused. */
  readonly outcome?: string;
  /** Further members of the problem. */
  readonly members?: Readonly<Record<string, unknown>>;
}

/** A failure that is told in one line: what is wrong and what to do. */
export class CliError extends Error {
  override readonly name: string = 'CliError';
  readonly status: number;
  readonly outcome: string | undefined;
  readonly members: Readonly<Record<string, unknown>>;

  constructor(message: string, status: number = exits.failed, programs: ForPrograms = {}) {
    super(message);
    this.status = status;
    this.outcome = programs.outcome;
    this.members = programs.members ?? {};
  }
}

/** The command line asks for something that cannot be. */
export function usageError(message: string): CliError {
  return new CliError(message, exits.usage);
}

/**
 * What becomes of a question about a sale that was not answered: refused is 1, since it would be
 * again; nobody there, or a store away, is 2, and programs read that nothing is known.
 */
export function unanswered(error: unknown): unknown {
  if (!(error instanceof CliError)) return error;
  const { message, outcome } = error;
  if (outcome !== undefined && !unknowns.has(outcome)) return error;
  const members = { settling: true, waiting: [message] };
  return new CliError(message, exits.unknown, { members, ...(outcome && { outcome }) });
}

const unknowns: ReadonlySet<string> = new Set(['unavailable', 'unreachable']);
