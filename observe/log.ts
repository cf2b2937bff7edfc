/**
 * What every line of a log is made of, in every process: one JSON object, with the trace it belongs to and without secrets. A line is
 * written when it is said: pino's own default leaves it to another thread, and the last one, why a process ended, is lost.
 */
import pino, { type Logger } from 'pino';
import { withoutSecrets } from './redact.ts';
import { traceFields } from './trace.ts';

export function createLog(name: string, level = 'info'): Logger {
  return pino(
    { name, level, mixin: traceFields, formatters: { log: (fields) => withoutSecrets(fields) } },
    pino.destination({ dest: 2, sync: true }),
  );
}
