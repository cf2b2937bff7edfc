/** Keys, and whose they are. */
import { z } from '@hono/zod-openapi';
import type { Auth } from '../auth.ts';
import { requirePrincipal } from '../context.ts';
import { ApiError } from '../errors.ts';
import { type App, json, needs, ok, problems, route } from './kit.ts';
import * as s from './schemas.ts';

export function keyRoutes(app: App, { auth }: { readonly auth: Auth }): void {
  app.openapi(
    route({
      method: 'get',
      path: '/whoami',
      summary: 'Whose key this is',
      ...needs('read', 'publish', 'infer', 'train'),
      responses: { 200: ok(s.Whoami, 'The key'), ...problems },
    }),
    async (c) => {
      const { owner, scopes } = requirePrincipal(c, 'read', 'publish', 'infer', 'train');
      return c.json({ owner, scopes: [...scopes] }, 200);
    },
  );

  app.openapi(
    route({
      method: 'post',
      path: '/keys',
      summary: 'Make a key',
      ...needs('admin'),
      request: { body: { ...json(s.NewKey), required: true } },
      responses: { 201: ok(s.MadeKey, 'The key, shown only now'), ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'admin');
      const { name, scopes, expiresInSeconds, owner } = c.req.valid('json');
      const userId = owner === undefined ? principal.userId : await auth.ensureUser(owner);
      const made = await auth.createKey(userId, name, scopes, expiresInSeconds);
      return c.json(
        {
          ...made,
          scopes: [...scopes],
          createdAt: made.createdAt.toISOString(),
          expiresAt: made.expiresAt?.toISOString() ?? null,
        },
        201,
      );
    },
  );

  app.openapi(
    route({
      method: 'get',
      path: '/keys',
      summary: 'Your keys',
      ...needs('admin'),
      responses: { 200: ok(z.object({ keys: z.array(s.Key) }), 'Your keys'), ...problems },
    }),
    async (c) => {
      const keys = await auth.listKeys(requirePrincipal(c, 'admin').userId);
      const view = keys.map((key) => ({
        ...key,
        createdAt: key.createdAt.toISOString(),
        expiresAt: key.expiresAt?.toISOString() ?? null,
      }));
      return c.json({ keys: view }, 200);
    },
  );

  app.openapi(
    route({
      method: 'delete',
      path: '/keys/{id}',
      summary: 'Revoke a key',
      ...needs('admin'),
      request: { params: z.object({ id: s.storable(100).min(1) }) },
      responses: { 204: { description: 'Revoked' }, ...problems },
    }),
    async (c) => {
      requirePrincipal(c, 'admin');
      if (!(await auth.revokeKey(c.req.valid('param').id)))
        throw new ApiError('not_found', 'There is no such key.');
      return c.body(null, 204);
    },
  );
}
