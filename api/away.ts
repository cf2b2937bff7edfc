/**
 * Tells a database or an object store that is away from a mistake of ours: the first passes, and a client is told to ask again. By
 * what their drivers throw: system errors, SQLSTATEs, and statuses of S3.
 */

const SYSTEM =
  /^(ECONNREFUSED|ECONNRESET|ECONNABORTED|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|ENOTFOUND|UND_ERR_\w+)$/;
/**
 * PostgreSQL, Appendix A: connection exceptions (08), no more connections (53300), shutting down, crashed or starting (57P01 to
 * 57P03), and transactions that must be tried again (40001, 40P01).
 */
const SQLSTATE = /^(08\w{3}|53300|57P0[123]|40001|40P01)$/;
/** What node-postgres says in words alone, and workerd of its sockets and of what it fetches. */
const WORDS =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed|Query read timeout|proxy request failed, cannot connect|Network connection lost)/;
/** Of the S3 client, which has asked again by itself. */
const STORE = /^(TimeoutError|SlowDown|ServiceUnavailable|InternalError|RequestTimeout)$/;

interface Thrown {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  readonly cause?: unknown;
  readonly errors?: readonly unknown[];
  readonly $metadata?: { readonly httpStatusCode?: number };
}

export function isAway(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { name, message, code, cause, errors, $metadata } = error as Thrown;
  if (typeof code === 'string' && (SYSTEM.test(code) || SQLSTATE.test(code))) return true;
  if (typeof message === 'string' && WORDS.test(message)) return true;
  if ($metadata && (STORE.test(String(name)) || ($metadata.httpStatusCode ?? 0) >= 500)) return true;
  return isAway(cause) || (errors?.some(isAway) ?? false);
}
