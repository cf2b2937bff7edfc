/** Ends a process whose thread hangs in native code: whoever watches over it starts it again. */
import type { Logger } from 'pino';

/** `process.exit` would wait for the thread, and a signal to itself is ignored by a container's first process. */
export function endHung(log: Logger, reason: string): never {
  log.fatal(reason);
  process.abort();
}
