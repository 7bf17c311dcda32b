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

/** The values themselves do not fit their columns: the same again can never succeed. */
export function isDataError(error: unknown): boolean {
  const { code, sqlState } = mysqlErrorOf(error);
  return sqlState.startsWith('22') || code === 'ER_TRUNCATED_WRONG_VALUE_FOR_FIELD';
}
