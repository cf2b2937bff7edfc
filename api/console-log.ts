/** The structured log where there is only a console: a line of JSON each on standard error, as Node's entry writes them. */
import { withoutSecrets } from '../observe/redact.ts';
import { traceFields } from '../observe/trace.ts';
import type { Log } from './app.ts';

/** pino's levels. */
const LEVELS: Readonly<Record<string, number>> = {
  trace: 10,
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
  fatal: 60,
  silent: Number.POSITIVE_INFINITY,
};

export function consoleLog(least: string): Log {
  const write = (level: 'info' | 'error') => (fields: object, msg: string) => {
    if (LEVELS[level]! < LEVELS[least]!) return;
    const known = { level: LEVELS[level], time: Date.now(), name: 'patchbay', ...traceFields() };
    console.error(JSON.stringify({ ...known, ...withoutSecrets({ ...fields }), msg }));
  };
  return { info: write('info'), error: write('error') };
}
