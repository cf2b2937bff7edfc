/** A runner's port. Tells the parent process, where there is one, once it is open. */
import { type ServerType, serve } from '@hono/node-server';
import type { Hono } from 'hono';
import type { Logger } from 'pino';

const KEEP_ALIVE_MS = 75_000;

/** @param opened called with the port once it is open */
export function listen(
  app: Hono,
  { host, port }: { host: string; port: number },
  log: Logger,
  opened: (port: number) => void = () => undefined,
): ServerType {
  const server = serve({ fetch: app.fetch, hostname: host, port }, (address) => {
    const url = `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`;
    log.info({ url }, 'listening');
    opened(address.port);
    process.send?.({ type: 'ready', url });
  });
  // Callers keep connections open for as long as this says: longer than they pause between requests, as a rule.
  if ('keepAliveTimeout' in server) server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.on('error', (error) => {
    log.fatal({ error: error.message }, 'cannot listen');
    process.exit(1);
  });
  return server;
}
