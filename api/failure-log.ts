/** What the log says of a request that was not answered as it should be: once for each, by its id. */
import type { Context } from 'hono';
import type { Log } from './app.ts';
import type { AppEnv } from './context.ts';
import { type ApiError, asApiError } from './errors.ts';

/** @returns what its client is told */
export function logged(log: Log, c: Context<AppEnv>, error: unknown): ApiError {
  const known = asApiError(error);
  const { status, code, message } = known;
  const request = { requestId: c.get('requestId') ?? '', method: c.req.method, path: c.req.path };
  if (status >= 500 && known !== error) {
    const { stack = String(error), cause } = error as Error;
    log.error(
      { ...request, error: stack, cause: causeOf(cause) },
      code === 'internal' ? 'unexpected error' : 'something is away',
    );
  } else log.info({ ...request, status, code, ...(status >= 500 ? { reason: message } : {}) }, 'refused');
  return known;
}

/** What a driver wraps: the database's or the store's own words. */
function causeOf(cause: unknown): string | undefined {
  return cause instanceof Error ? (causeOf(cause.cause) ?? cause.message) : undefined;
}
