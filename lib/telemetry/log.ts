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
    serializers,
  });
}

/**
 * An error by a closed list of its fields, and its causes the same way: clients put the statement,
 * or the command with its arguments, on their errors, and so users' ids. Where they do, the
 * message goes too; the server's code tells what went wrong.
 */
function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name: type, cause } = error;
  const message = withoutArguments(error.message);
  const stack = withoutArguments(error.stack ?? '');
  const { code, errno } = error as { code?: unknown; errno?: unknown };
  const isStatement = 'sql' in error || 'query' in error;
  return {
    type,
    code,
    errno,
    ...(isStatement ? { stack: framesOf(stack) } : { message, stack }),
    ...(cause === undefined ? {} : { cause: describe(cause) }),
  };
}

/** A stack without its first lines, which repeat the message. */
function framesOf(stack: string): string {
  return stack.replace(/^[^]*?\n(?= +at )/, '');
}

/** Redis repeats what came with a command that it does not know. */
function withoutArguments(text: string): string {
  return text.replaceAll(/,? with args beginning with:.*/g, '');
}

/** What every log makes of its fields. */
export const serializers = { err: describe };
