/**
 * What a probe may ask of a runner without its token. `/healthz`: the process answers. `/readyz`: it takes work. A runner
 * without any base is ready: it loads the one that it is asked for.
 */
import { Hono } from 'hono';

export function probeRoutes(isReady: () => boolean): Hono {
  return new Hono()
    .get('/healthz', (c) => c.json({ status: 'ok' }))
    .get('/readyz', (c) => (isReady() ? c.json({ status: 'ready' }) : c.json({ status: 'not_ready' }, 503)));
}
