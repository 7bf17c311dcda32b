// One JSON line per event worth one. Nothing personal: no user ids, tokens, addresses or bodies.

import { pino } from 'pino';

export type Log = pino.Logger;

/** A logger for one function. `level` is `SECKILL_LOG_LEVEL`. */
export function createLog(name: string, level: string): Log {
  return pino({
    name,
    level,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: describe },
  });
}

/**
 * An error without what it was about: mysql2 and drizzle put the statement with its values, and
 * so users' ids, on their errors. The server's code tells what went wrong.
 */
function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (!('sql' in error || 'query' in error)) return pino.stdSerializers.err(error);
  const cause = error.cause instanceof Error ? error.cause : error;
  const { code, errno } = cause as { code?: unknown; errno?: unknown };
  return { type: cause.name, code, errno, stack: cause.stack?.replace(/^[^]*?\n(?= +at )/, '') };
}
