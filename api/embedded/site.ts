/** The site as `npm run build` made it, below web/dist. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { serveStatic } from '@hono/node-server/serve-static';
import { Hono } from 'hono';
import type { Refusal, Site } from '../site.ts';
import { StartError } from './data-folder.ts';

const built = fileURLToPath(new URL('../../web/dist', import.meta.url));
const YEAR = 'public, max-age=31536000, immutable';

interface Entry {
  renderPage(
    request: Request,
    ask: (request: Request) => Promise<Response>,
    manifest: object,
  ): Promise<Response>;
  renderRefusal(request: Request, why: Refusal, manifest: object): Promise<Response>;
}

/** @throws StartError where it is not built */
export async function openSite(): Promise<Site> {
  const entry = join(built, 'server/entry-server.js');
  if (!existsSync(entry))
    throw new StartError('the site has not been built. Run `npm run build`, as `npm ci` does.');
  const { renderPage, renderRefusal } = (await import(pathToFileURL(entry).href)) as Entry;
  const manifest = JSON.parse(await readFile(join(built, 'client/.vite/manifest.json'), 'utf8')) as object;
  const files = new Hono().use(
    async (c, next) => {
      await next();
      c.header('cache-control', YEAR);
    },
    serveStatic({ root: join(built, 'client'), precompressed: true }),
  );
  return {
    page: (request, ask) => renderPage(request, ask, manifest),
    refusal: (request, why) => renderRefusal(request, why, manifest),
    async asset(request) {
      const found = await files.request(request);
      return found.status === 404 ? undefined : found;
    },
  };
}
