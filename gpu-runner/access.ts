/** Who may ask a runner: the API by its token; Prometheus by its own, for the metrics alone. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { type Context, Hono } from 'hono';

export interface MetricsAccess {
  readonly tokens: readonly string[];
  /** Opens /metrics, and nothing else. */
  readonly metricsToken: string | undefined;
  scrape(): Promise<string>;
}

export function metricsRoute({ tokens, metricsToken, scrape }: MetricsAccess): Hono {
  const accepted = metricsToken === undefined ? tokens : [...tokens, metricsToken];
  return new Hono().get('/metrics', async (c) => {
    if (!showsToken(c, accepted)) return c.text('This needs the token for metrics.', 401);
    return c.body(await scrape(), 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
  });
}

export function showsToken(c: Context, tokens: readonly string[]): boolean {
  const shown = digest(c.req.header('authorization') ?? '');
  return tokens.some((token) => timingSafeEqual(shown, digest(`Bearer ${token}`)));
}

const digest = (text: string) => createHash('sha256').update(text).digest();
