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
    serializers: { err: pino.stdSerializers.err },
  });
}
