/** What every request carries. */
import type { Context } from 'hono';
import { type Principal, requireScope, type Scope } from './auth.ts';
import { ApiError } from './errors.ts';

export interface AppEnv {
  Variables: {
    /** Of the log, here and at the runner: the client's own where it sent one. */
    requestId: string;
    /** Of what this request makes, in answers and in the books: ours, and never twice. */
    answerId: string;
    /** Where clients reach the server. */
    publicUrl: string;
    principal: Principal | undefined;
    /** As every answer tells it, errors too. */
    rateLimit: { readonly policy: string; readonly state: string } | undefined;
  };
}

/** @param scopes any of them will do. @throws ApiError unauthorized, insufficient_scope */
export function requirePrincipal(c: Context<AppEnv>, ...scopes: [Scope, ...Scope[]]): Principal {
  const principal = c.get('principal');
  if (principal && scopes.some((scope) => principal.scopes.has(scope))) return principal;
  return requireScope(principal, scopes[0]);
}

/**
 * A URL for clients to follow. What a request names is no good for it: behind a proxy it is http where clients speak https, or a
 * host of a cloud's own.
 * @param path absent: that of the request itself
 */
export function absolute(c: Context<AppEnv>, path?: string): string {
  const { pathname, search } = new URL(c.req.url);
  return new URL(path ?? `${pathname}${search}`, c.get('publicUrl')).href;
}

/** Bodies are small JSON: files never pass through the API. */
export const MAX_BODY = 4 * 2 ** 20;

export function tooLarge(): ApiError {
  return new ApiError('too_large', `The body is larger than ${MAX_BODY} bytes.`);
}
