/** What is seen of every request: a step in a trace, a count, a duration. */
import { SpanKind } from '@opentelemetry/api';
import type { MiddlewareHandler } from 'hono';
import { routePath } from 'hono/route';
import { count, observe, secondsSince } from '../observe/metrics.ts';
import { contextOf, inSpan, isPartOfTrace, noteStatus, UNTRACED } from '../observe/trace.ts';
import type { AppEnv } from './context.ts';

/** Whatever an operator's proxies write, and nothing that spoils a line of the log. */
const REQUEST_ID = /^[\w.:-]{8,128}$/;

/** The id that a client, or a proxy in front, gave its request; undefined: none, or none that can be taken over. */
export const requestIdOf = (header: string | undefined): string | undefined =>
  header !== undefined && REQUEST_ID.test(header) ? header : undefined;

export const observed: MiddlewareHandler<AppEnv> = (c, next) => {
  const began = performance.now();
  const { method } = c.req;
  const asked = contextOf(c.req.raw.headers);
  // Idle runners ask every second whether there is something to do.
  const isPoll = c.req.path.startsWith('/api/runner/') && !isPartOfTrace(asked);
  const attributes = { 'http.request.method': method, 'url.path': c.req.path };
  return inSpan(
    method,
    attributes,
    async (span) => {
      await next();
      const route = routePath(c); // of the handler that answered: what is between its slashes stays out of metrics
      const { status } = c.res;
      span.updateName(`${method} ${route}`);
      span.setAttributes({ 'http.route': route, 'patchbay.request_id': c.get('requestId') });
      noteStatus(span, status);
      const known = METHODS.has(method) ? method : 'other';
      count('patchbay_http_requests_total', 1, { method: known, route, status });
      observe('patchbay_http_request_duration_seconds', secondsSince(began), { method: known, route });
    },
    { parent: isPoll ? UNTRACED : asked, kind: SpanKind.SERVER },
  );
};

/** Whoever asks may make up others. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
