// What MySQL said was wrong, whether drizzle has wrapped it or not.

export interface MysqlError {
  /** For instance `ER_DUP_ENTRY`, or `ECONNREFUSED` where there was no server; '' if unknown. */
  readonly code: string;
  /** Five characters; '' where it was not the server that spoke. */
  readonly sqlState: string;
}

export function mysqlErrorOf(error: unknown): MysqlError {
  const cause: unknown = error instanceof Error && error.cause ? error.cause : error;
  const { code, sqlState } = (cause ?? {}) as { code?: unknown; sqlState?: unknown };
  return {
    code: typeof code === 'string' ? code : '',
    sqlState: typeof sqlState === 'string' ? sqlState : '',
  };
}

/** Refusals of a row that have no SQLSTATE of their own. */
const refusals: ReadonlySet<string> = new Set([
  'ER_TRUNCATED_WRONG_VALUE_FOR_FIELD',
  'ER_CHECK_CONSTRAINT_VIOLATED',
  'ER_TOO_BIG_ROWSIZE',
  'ER_UNDO_RECORD_TOO_BIG',
  // Fewer rows may fit.
  'ER_NET_PACKET_TOO_LARGE',
]);

/**
 * MySQL does not take a statement for what is in it: values that don't fit (22…), a key that is
 * there or a check (23…). Other rows may be taken at the same moment, by the same statement.
 */
export function isRefused(error: unknown): boolean {
  const { code, sqlState } = mysqlErrorOf(error);
  return sqlState.startsWith('22') || sqlState.startsWith('23') || refusals.has(code);
}
