/** Who is trusted to publish an adapter from elsewhere, and the exchange of their tokens (RFC 8693). */
import { z } from '@hono/zod-openapi';
import {
  distrustPublisher,
  type TrustedPublisher,
  trustedPublishersOf,
  trustPublisher,
} from '../../db/trusted-publishers.ts';
import { requireRole } from '../access.ts';
import { requirePrincipal } from '../context.ts';
import { ApiError } from '../errors.ts';
import { AUDIENCE, checkTrust, exchangeToken, type TrustDeps } from '../trusted-publishing.ts';
import { type App, id, json, limitBody, needs, ok, problems, routesOf } from './kit.ts';
import * as p from './people-schemas.ts';
import * as s from './schemas.ts';

const route = routesOf('Publishing');

const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const Exchange = z.object({
  grant_type: z.literal(GRANT),
  subject_token: z.string().min(1).max(16_384),
  subject_token_type: z.enum([
    'urn:ietf:params:oauth:token-type:id_token',
    'urn:ietf:params:oauth:token-type:jwt',
  ]),
});

export function trustedPublishingRoutes(app: App, deps: TrustDeps): void {
  const { db, oidcIssuers } = deps;

  app.openapi(
    route({
      method: 'get',
      path: '/adapters/{owner}/{name}/trusted-publishers',
      summary: 'Workflows that may publish this adapter without a key of yours',
      ...needs('manage'),
      request: id,
      responses: {
        200: ok(z.object({ publishers: z.array(p.TrustedPublisher) }), 'Publishers'),
        ...problems,
      },
    }),
    async (c) => {
      const publishers = await trustedPublishersOf(
        db,
        adminOf(requirePrincipal(c, 'manage'), c.req.valid('param')),
      );
      return c.json({ publishers: publishers.map(view) }, 200);
    },
  );

  app.openapi(
    route({
      method: 'post',
      path: '/adapters/{owner}/{name}/trusted-publishers',
      summary: 'Trust a workflow to publish this adapter, also before its first version',
      ...needs('manage'),
      request: { ...id, body: { ...json(p.NewTrustedPublisher), required: true } },
      responses: { 201: ok(p.TrustedPublisher, 'The publisher'), ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'manage');
      const adapterId = adminOf(principal, c.req.valid('param'));
      const { issuer, claims } = c.req.valid('json');
      checkTrust(oidcIssuers, issuer, claims);
      const publisher = { id: crypto.randomUUID(), adapterId, issuer, claims, createdBy: principal.userId };
      return c.json(view(await trustPublisher(db, publisher)), 201);
    },
  );

  app.openapi(
    route({
      method: 'delete',
      path: '/adapters/{owner}/{name}/trusted-publishers/{publisher}',
      summary: 'Trust a workflow no longer',
      ...needs('manage'),
      request: { params: s.Id.extend({ publisher: z.uuid() }) },
      responses: { 204: { description: 'Done' }, ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'manage');
      const { publisher, ...name } = c.req.valid('param');
      const adapterId = adminOf(principal, name);
      if (!(await distrustPublisher(db, { id: publisher, adapterId, actor: principal.userId })))
        throw new ApiError('not_found', `${adapterId} has no trusted publisher ${publisher}.`);
      return c.body(null, 204);
    },
  );

  app.openapi(
    route({
      method: 'post',
      path: '/token',
      summary: `Exchange a workflow’s identity token, made for the audience \`${AUDIENCE}\`, for a key`,
      middleware: [limitBody],
      request: {
        body: { content: { 'application/x-www-form-urlencoded': { schema: Exchange } }, required: true },
      },
      responses: { 200: ok(p.Exchanged, 'RFC 8693: the key, for an hour'), ...problems },
    }),
    async (c) => {
      const { subject_token } = c.req.valid('form');
      const { key, seconds, adapters } = await exchangeToken(deps, subject_token);
      c.header('cache-control', 'no-store');
      return c.json(
        {
          access_token: key,
          issued_token_type: ACCESS_TOKEN,
          token_type: 'Bearer' as const,
          expires_in: seconds,
          scope: 'read publish',
          adapters,
        },
        200,
      );
    },
  );
}

function adminOf(
  principal: ReturnType<typeof requirePrincipal>,
  { owner, name }: { owner: string; name: string },
): string {
  requireRole(principal, `${owner}/${name}`, 'admin');
  return `${owner}/${name}`;
}

const view = ({ id: publisher, issuer, claims, createdAt }: TrustedPublisher) => ({
  id: publisher,
  issuer,
  claims,
  createdAt: createdAt.toISOString(),
});
