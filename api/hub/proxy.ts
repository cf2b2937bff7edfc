/**
 * Bases that are elsewhere: Hugging Face's clients ask one endpoint for everything, so for the base of an adapter, too. Those that
 * the operator lists are read through from their hub; who asks, and with which key, stays here. Everything else that is not here
 * is missing.
 */
import type { MiddlewareHandler } from 'hono';
import { findAdapter } from '../../db/adapters.ts';
import { findBase } from '../../db/bases.ts';
import type { Database } from '../../db/open.ts';
import type { AppEnv } from '../context.ts';
import { ApiError } from '../errors.ts';
import { readTextBody } from '../request.ts';

export interface Upstream {
  /** Such as https://huggingface.co. */
  readonly url: string;
  /** owner/name of each base that is read from there. */
  readonly bases: readonly string[];
}

const TIMEOUT_MS = 30_000;
const MAX_REDIRECTS = 3;
/** Nothing of who asks. */
const ASKED = ['accept', 'range', 'if-none-match', 'content-type'];
/** Not those of Xet: a client that is told of it goes where its files are not. */
const ANSWERED = [
  'accept-ranges',
  'content-disposition',
  'content-length',
  'content-range',
  'content-type',
  'etag',
  'x-error-code',
  'x-error-message',
  'x-linked-etag',
  'x-linked-size',
  'x-repo-commit',
];

export function readThrough(
  { db }: { readonly db: Database },
  upstream: Upstream | undefined,
): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const id = repositoryOf(c.req.path);
    if (!upstream || !id || !upstream.bases.includes(id)) return next();
    if ((await findBase(db, id)) || (await findAdapter(db, id))) return next();
    const { method } = c.req;
    const asksByBody = method === 'POST' && c.req.path.includes('/paths-info/');
    if (!['GET', 'HEAD'].includes(method) && !asksByBody) return next();
    const { pathname, search } = new URL(c.req.url);
    const body = asksByBody ? await readTextBody(c.req.raw) : undefined;
    const headers = Object.fromEntries(
      ASKED.flatMap((name) => {
        const value = c.req.header(name);
        return value === undefined ? [] : [[name, value]];
      }),
    );
    return answer(
      await ask(upstream, new URL(`${pathname}${search}`, upstream.url), { method, headers, body }),
    );
  };
}

/** owner/name, where the path is about one. */
function repositoryOf(path: string): string | undefined {
  const [, owner, name] =
    /^\/api\/models\/([^/]+)\/([^/]+)/.exec(path) ??
    /^\/([^/]+)\/([^/]+)\/(?:resolve|raw)\//.exec(path) ??
    [];
  return owner && name ? `${owner}/${name}` : undefined;
}

interface Asked {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: string | undefined;
}

/** Redirects within the hub are followed here: to a client, its own hub's name would be one to show its key to. */
async function ask({ url: hub }: Upstream, first: URL, { method, headers, body }: Asked): Promise<Response> {
  let url = first;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const response = await fetch(url, {
      method,
      headers: { ...headers, 'accept-encoding': 'identity' },
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body === undefined ? {} : { body }),
    }).catch(() => {
      throw new ApiError('unavailable', `${new URL(hub).host}, where this base is, does not answer.`);
    });
    const location = response.headers.get('location');
    if (response.status < 300 || response.status >= 400 || !location) return response;
    const to = new URL(location, url);
    if (to.host !== new URL(hub).host) return response;
    url = to;
  }
  throw new ApiError('unavailable', `${new URL(hub).host} redirects without end.`);
}

function answer(response: Response): Response {
  const headers = new Headers();
  for (const name of [...ANSWERED, 'location']) {
    const value = response.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  return new Response(response.body, { status: response.status, headers });
}
