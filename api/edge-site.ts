/** The built site's files at the edge: from a binding that serves a folder. */
import { Hono } from 'hono';
import { serveStatic } from 'hono/serve-static';
import type { Site } from './site.ts';

/** A service that the worker is bound to. */
export interface Service {
  fetch(request: Request): Promise<Response>;
}

const YEAR = 'public, max-age=31536000, immutable';

export function builtFiles(files: Service): Site['asset'] {
  const app = new Hono().use(
    serveStatic({
      root: '/',
      precompressed: true,
      async getContent(path) {
        const found = await files.fetch(new Request(new URL(path, 'http://files')));
        return found.ok ? found.body : null;
      },
      onFound: (_path, c) => c.header('cache-control', YEAR),
    }),
  );
  return async (request) => {
    const found = await app.request(request);
    return found.status === 404 ? undefined : found;
  };
}
