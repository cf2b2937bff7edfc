/** The site: pages that ask this API for what they show, as a browser would, and are sent as HTML. */
import { type Context, Hono } from 'hono';
import { compress } from 'hono/compress';
import { matchedRoutes } from 'hono/route';
import { traceHeaders } from '../observe/trace.ts';
import { type AppEnv, absolute } from './context.ts';
import { ApiError } from './errors.ts';

type Ask = (request: Request) => Promise<Response>;

/** Why there is no page, for people to read. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly retryAfterSeconds?: number | undefined;
}

export interface Site {
  /** @param ask how the page asks the API */
  page(request: Request, ask: Ask): Promise<Response>;
  /** In place of a page, with nothing asked. */
  refusal(request: Request, why: Refusal): Promise<Response>;
  /** A built file; its name holds a digest of its content. @returns undefined: there is none */
  asset(request: Request): Promise<Response | undefined>;
}

/** The same for everybody: for them nobody is looked up, and nothing is counted. */
export function siteFiles({ asset }: Site) {
  return new Hono<AppEnv>().get('/assets/*', async (c) => {
    const found = await asset(c.req.raw);
    if (!found) throw new ApiError('not_found', `There is no ${c.req.path}.`);
    return found;
  });
}

/** @param app whom the pages ask. @param storeUrl where files are sent to and fetched from */
export function sitePages(
  { page, refusal }: Site,
  app: { fetch(request: Request, env: unknown): Response | Promise<Response> },
  storeUrl: string,
) {
  const policy = Object.entries(securityPolicy(new URL(storeUrl).origin));
  const guarded = (answer: Response): Response => {
    for (const [name, value] of policy) answer.headers.set(name, value);
    return answer;
  };
  const routes = new Hono<AppEnv>().get('*', compress(), async (c, next) => {
    if (!wantsPage(c) && !takesAnything(c)) return next();
    const asked = new Request(absolute(c), c.req.raw);
    const answer = await page(asked, async (request) => app.fetch(asSameCaller(request, c), c.env));
    // What no page is found for is told to programs in their own words.
    return answer.status === 404 && !wantsPage(c) ? next() : guarded(answer);
  });
  return {
    routes,
    /** What went wrong before a page could say so. @returns undefined: no page was asked for */
    async refusal(c: Context<AppEnv>, why: Refusal): Promise<Response | undefined> {
      return wantsPage(c) && isOfPages(c) ? guarded(await refusal(c.req.raw, why)) : undefined;
    },
  };
}

const wantsPage = (c: Context<AppEnv>): boolean => c.req.header('accept')?.includes('text/html') ?? false;

/** As curl, monitors, and those who make previews of links. */
const takesAnything = (c: Context<AppEnv>): boolean => (c.req.header('accept') ?? '*/*').includes('*/*');

/** Whether no other route would have answered, but for those that stand before all. */
function isOfPages(c: Context<AppEnv>): boolean {
  const answering = matchedRoutes(c).filter(({ method }) => method !== 'ALL');
  return answering.length > 0 && answering.every(({ path }) => path === '/*');
}

/** The page may see what whoever looks at it may see, and asks for them: under the same id, in the same trace. */
function asSameCaller(asked: Request, c: Context<AppEnv>): Request {
  const headers = new Headers(asked.headers);
  for (const name of ['cookie', 'x-forwarded-for']) {
    const value = c.req.header(name);
    if (value !== undefined) headers.set(name, value);
  }
  const own = { 'x-request-id': c.get('requestId'), ...traceHeaders() };
  for (const [name, value] of Object.entries(own)) headers.set(name, value);
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
