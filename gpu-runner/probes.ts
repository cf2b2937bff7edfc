/**
 * What a probe may ask of a runner without its token. `/healthz`: the process answers, and need not be started again. `/readyz`:
 * it takes work. A runner without any base is ready: it loads the one that it is asked for.
 */
import { Hono } from 'hono';

export function probeRoutes(isReady: () => boolean, isAlive: () => boolean = () => true): Hono {
  return new Hono()
    .get('/healthz', (c) => (isAlive() ? c.json({ status: 'ok' }) : c.json({ status: 'stuck' }, 503)))
    .get('/readyz', (c) => (isReady() ? c.json({ status: 'ready' }) : c.json({ status: 'not_ready' }, 503)));
}
