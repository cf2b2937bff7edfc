/**
 * `GET /metrics`, for Prometheus. What it tells (how much is used, what fails) is the operator's alone: it takes the token that
 * was made for it, which opens nothing else, or a key of an admin.
 */
import { type Context, Hono } from 'hono';
import { secretCheck } from './access-token.ts';
import type { Principal } from './auth.ts';
import type { AppEnv } from './context.ts';
import { asApiError } from './errors.ts';

const TEXT_FORMAT = 'text/plain; version=0.0.4; charset=utf-8';

export interface MetricsAccess {
  scrape(): Promise<string>;
  /** Absent: keys of admins only. */
  readonly token: string | undefined;
}

export function metricsRoute(
  authenticate: (c: Context<AppEnv>) => Promise<Principal | undefined>,
  { scrape, token }: MetricsAccess,
): Hono<AppEnv> {
  const isToken = secretCheck(token === undefined ? [] : [token]);
  return new Hono<AppEnv>().get('/metrics', async (c) => {
    const shown = c.req.header('authorization');
    const isAdmin = async () => (await authenticate(c))?.scopes.has('admin') === true;
    try {
      if (!(await isToken(shown)) && !(await isAdmin()))
        return c.text('This needs the token for metrics.', 401);
    } catch (error) {
      const { message, status } = asApiError(error);
      return c.text(message, status);
    }
    return c.body(await scrape(), 200, { 'content-type': TEXT_FORMAT });
  });
}
