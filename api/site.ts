/** The site: pages that ask this API for what they show, as a browser would, and are sent as HTML. */
import { type Context, Hono } from 'hono';
import { compress } from 'hono/compress';
import { type AppEnv, absolute } from './context.ts';
import { ApiError } from './errors.ts';

type Ask = (request: Request) => Promise<Response>;

export interface Site {
  /** @param ask how the page asks the API */
  page(request: Request, ask: Ask): Promise<Response>;
  /** A built file; its name holds a digest of its content. @returns undefined: there is none */
  asset(request: Request): Promise<Response | undefined>;
}

/** @param app whom the pages ask. @param storeUrl where files are sent to and fetched from */
export function siteRoutes(
  { page, asset }: Site,
  app: { fetch(request: Request, env: unknown): Response | Promise<Response> },
  storeUrl: string,
) {
  const site = new Hono<AppEnv>();
  const policy = securityPolicy(new URL(storeUrl).origin);

  site.get('/assets/*', async (c) => {
    const found = await asset(c.req.raw);
    if (!found) throw new ApiError('not_found', `There is no ${c.req.path}.`);
    return found;
  });

  site.get('*', compress(), async (c, next) => {
    if (!c.req.header('accept')?.includes('text/html')) return next();
    const answer = await page(new Request(absolute(c), c.req.raw), async (asked) =>
      app.fetch(asSameCaller(asked, c), c.env),
    );
    for (const [name, value] of Object.entries(policy)) answer.headers.set(name, value);
    return answer;
  });
  return site;
}

/** The page may see what whoever looks at it may see. */
function asSameCaller(asked: Request, c: Context<AppEnv>): Request {
  const headers = new Headers(asked.headers);
  for (const name of ['cookie', 'x-forwarded-for']) {
    const value = c.req.header(name);
    if (value !== undefined) headers.set(name, value);
  }
  return new Request(asked, { headers });
}

/** Nothing runs, and nothing is asked, but what this server sent; pictures of cards may come from anywhere. */
function securityPolicy(store: string): Readonly<Record<string, string>> {
  const directives = [
    "default-src 'self'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' https: data:",
    `connect-src 'self' ${store}`,
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ];
  return {
    'content-security-policy': directives.join('; '),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'strict-origin-when-cross-origin',
    'cache-control': 'private, no-cache',
  };
}
