/**
 * `GET /metrics`, for Prometheus. What it tells (how much is used, what fails) is the operator's alone: it takes the token that
 * was made for it, which opens nothing else, or a key of an admin.
 */
import { Hono } from 'hono';
import { secretCheck } from './access-token.ts';
import type { Auth } from './auth.ts';
import { asApiError } from './errors.ts';

const TEXT_FORMAT = 'text/plain; version=0.0.4; charset=utf-8';

export interface MetricsAccess {
  scrape(): Promise<string>;
  /** Absent: keys of admins only. */
  readonly token: string | undefined;
}

export function metricsRoute(auth: Auth, { scrape, token }: MetricsAccess): Hono {
  const isToken = secretCheck(token === undefined ? [] : [token]);
  return new Hono().get('/metrics', async (c) => {
    const shown = c.req.header('authorization');
    const isAdmin = async () => (await auth.authenticate(shown))?.scopes.has('admin') === true;
    try {
      if (!(await isToken(shown)) && !(await isAdmin()))
        return c.text('This needs the token for metrics.', 401);
    } catch (error) {
      return c.text(asApiError(error).message, 401);
    }
    return c.body(await scrape(), 200, { 'content-type': TEXT_FORMAT });
  });
}
