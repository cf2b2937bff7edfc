/** The whole API as one Hono app. Web-standard: what it needs of its surroundings is handed in. */
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { inSpan } from '../observe/trace.ts';
import { ACCOUNT_ROUTES, ACCOUNTS } from './accounts.ts';
import type { AppEnv } from './context.ts';
import { ApiError, problemJson } from './errors.ts';
import { logged } from './failure-log.ts';
import { healthRoutes } from './health.ts';
import type { Upstream } from './hub/proxy.ts';
import { Believed } from './hub/repositories.ts';
import { hubRoutes } from './hub/routes.ts';
import type { InvokeDeps } from './invoke.ts';
import { Limits } from './limits.ts';
import { type MetricsAccess, metricsRoute } from './metrics.ts';
import { observed, requestIdOf } from './observed.ts';
import { describeOpenai } from './openai/describe.ts';
import { fileRoutes } from './openai/files.ts';
import { fineTuningRoutes } from './openai/fine-tuning.ts';
import { openaiError, openaiRoutes } from './openai/routes.ts';
import { uploadRoutes } from './openai/uploads.ts';
import { type PatchbayDeps, patchbayRoutes } from './patchbay/routes.ts';
import { referencePage } from './reference/page.ts';
import { SECTIONS } from './reference/sections.ts';
import { type RunnerDeps, runnerRoutes } from './runner/routes.ts';
import { type Site, siteFiles, sitePages } from './site.ts';

export interface Log {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export type AppDeps = PatchbayDeps &
  InvokeDeps &
  RunnerDeps & {
    readonly log: Log;
    /** What clients reach the server at; undefined: what their requests name. */
    readonly publicUrl?: string | undefined;
    readonly upstream: Upstream | undefined;
    /** Whether a request may have a few megabytes only. */
    readonly smallBodies?: boolean | undefined;
    /** Absent: the API alone. */
    readonly site?: Site | undefined;
    /** Absent: where a process does not live long enough to be scraped. */
    readonly metrics?: MetricsAccess | undefined;
    /** Of all limits of requests. */
    readonly limitFactor: number;
    /** Who asks without a key. */
    readonly addressOf: (c: Context<AppEnv>) => string;
  };

const VERSION = '0.1.0';

export function createApp(deps: AppDeps) {
  const app = new OpenAPIHono<AppEnv>();
  const believed = new Believed(deps.db);
  const limits = new Limits(deps.db, deps.limitFactor, deps.addressOf);
  const authenticate = (c: Context<AppEnv>) =>
    limits.authenticating(c, (beforeLookUp) =>
      deps.auth.authenticate(c.req.header('authorization'), beforeLookUp),
    );

  // Before everything else: a probe needs no key, is not counted, and leaves no line in the log.
  app.route('/', healthRoutes(deps));
  if (deps.metrics) app.route('/', metricsRoute(authenticate, deps.metrics));
  app.use(observed);
  app.use(async (c, next) => {
    const answerId = crypto.randomUUID();
    const requestId = requestIdOf(c.req.header('x-request-id')) ?? answerId;
    c.set('requestId', requestId);
    c.set('answerId', answerId);
    c.set('publicUrl', deps.publicUrl ?? c.req.url);
    const began = performance.now();
    await next();
    c.header('x-request-id', requestId); // whoever made the response
    const limit = c.get('rateLimit');
    if (limit) {
      c.header('ratelimit-policy', limit.policy);
      c.header('ratelimit', limit.state);
    }
    const ms = Math.round(performance.now() - began);
    // Runners ask and report every second: that they got nothing, or are there, is no news.
    const isIdle =
      /^\/api\/runner\/(leases|verifications|tasks|runners)$/.test(c.req.path) && c.res.status === 204;
    const { method, path } = c.req;
    // Whatever may have changed an adapter: answers and their like do not.
    if (method !== 'GET' && method !== 'HEAD' && !isIdle && !path.startsWith('/v1/')) believed.forget();
    if (!isIdle) deps.log.info({ requestId, method, path, status: c.res.status, ms }, 'request');
  });

  app.use(async (c, next) => {
    if (c.req.url.includes('%00')) throw holdsNul();
    await next();
  });

  // Runners have a token of their own, which is nobody's key.
  app.route('/api/runner', runnerRoutes(deps));
  if (deps.site) app.route('/', siteFiles(deps.site));
  app.use(async (c, next) => {
    const { headers } = c.req.raw;
    const principal = await inSpan('authenticate', {}, async () => {
      const byKey = await authenticate(c);
      return (
        byKey ?? (isOwnPage(c.req.raw, c.get('publicUrl')) ? await deps.auth.session(headers) : undefined)
      );
    });
    c.set('principal', principal);
    await next();
  });
  app.use(limits.requests);
  for (const { method, path } of ACCOUNT_ROUTES)
    app.on(method, `${ACCOUNTS}${path}`, (c) => deps.auth.handle(c.req.raw));
  describeOpenai(app);
  app.route('/api', patchbayRoutes(deps));
  app.route('/v1', openaiRoutes(deps));
  app.route('/v1', fileRoutes(deps));
  app.route('/v1', uploadRoutes(deps, deps.smallBodies ?? false));
  app.route('/v1', fineTuningRoutes(deps));
  app.route('/', hubRoutes({ ...deps, believed }));
  app.openAPIRegistry.registerComponent('securitySchemes', 'key', { type: 'http', scheme: 'bearer' });
  const info = {
    title: 'Patchbay',
    version: VERSION,
    description: 'A marketplace for LoRA adapters: publish, browse, invoke.',
  };
  const tags = Object.entries(SECTIONS).map(([name, description]) => ({ name, description }));
  const described = () => app.getOpenAPI31Document({ openapi: '3.1.0', info, tags });
  app.get('/openapi.json', (c) => c.json(described()));
  app.get('/docs', (c) => c.html(referencePage(described())));
  // RFC 7517: what verification records are checked with.
  app.get('/.well-known/jwks.json', (c) => c.json(deps.signer.keys));
  const pages = deps.site && sitePages(deps.site, app, deps.blobs.endpoint);
  if (pages) app.route('/', pages.routes);
  else app.get('/', (c) => c.redirect('/docs'));

  app.notFound((c) => {
    const { method, path } = c.req;
    const next = LACKS_V1.test(path)
      ? ": the base URL of OpenAI's clients ends with /v1 here."
      : '; /docs lists what there is.';
    const error = new ApiError('not_found', `There is nothing at ${method} ${path}${next}`);
    return render(path, c.get('requestId') ?? '', error);
  });
  app.onError(async (error, c) => {
    const requestId = c.get('requestId') ?? '';
    const known = logged(deps.log, c, error);
    return (await pages?.refusal(c, known)) ?? render(c.req.path, requestId, known);
  });
  return app;
}

/** Nothing here has a name with it, and Postgres does not even look for one. */
const holdsNul = () =>
  new ApiError('invalid_request', 'The address holds the character NUL (%00), which no name here has.');

/** A browser sends its cookie along whoever made the page: what changes something counts only from pages of our own. */
function isOwnPage(request: Request, publicUrl: string): boolean {
  if (request.method === 'GET' || request.method === 'HEAD') return true;
  const origin = request.headers.get('origin');
  if (origin === null || !URL.canParse(origin)) return false;
  // Behind a proxy that asks under another name, pages are those of the public one.
  return [request.url, publicUrl].some((own) => new URL(own).host === new URL(origin).host);
}

/** What OpenAI's clients ask first, where their base URL was given without its `/v1`. */
const LACKS_V1 = /^\/(chat\/completions|completions|models|files|uploads|fine_tuning\/jobs)$/;

/** Errors in the shape of the protocol that was spoken: of another one, OpenAI's clients say the status alone. */
function render(path: string, requestId: string, error: ApiError): Response {
  const openai = path === '/v1' || path.startsWith('/v1/') || LACKS_V1.test(path);
  const headers = new Headers({
    'content-type': openai ? 'application/json' : 'application/problem+json',
  });
  if (error.retryAfterSeconds !== undefined) headers.set('retry-after', String(error.retryAfterSeconds));
  if (error.code === 'unauthorized') headers.set('www-authenticate', 'Bearer'); // RFC 6750
  // OpenAI's clients repeat what was answered with 409, for which there is no reason here.
  if (openai && ['conflict', 'insufficient_quota'].includes(error.code))
    headers.set('x-should-retry', 'false');
  const body = openai ? openaiError(error) : problemJson(error, requestId);
  return new Response(JSON.stringify(body), { status: error.status, headers });
}
