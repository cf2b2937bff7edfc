/** What the publish gate found, having it look again, and taking versions off the list. */
import { z } from '@hono/zod-openapi';
import { listVerifications } from '../../db/verifications.ts';
import { requireRole } from '../access.ts';
import { requirePrincipal } from '../context.ts';
import { ApiError } from '../errors.ts';
import { quarantine, verifyAgain, withdraw } from '../verify.ts';
import type { PublishDeps } from '../versions.ts';
import { type App, needs, ok, problems, routesOf } from './kit.ts';
import * as s from './schemas.ts';
import { versionSeenBy } from './seen.ts';
import { viewVerification, viewVersion } from './views.ts';

const route = routesOf('Verification');

const SHOWN = 20;

export function verificationRoutes(app: App, deps: PublishDeps): void {
  const { db } = deps;

  app.openapi(
    route({
      method: 'get',
      path: '/adapters/{owner}/{name}/versions/{number}/verifications',
      summary: 'What the publish gate found, newest first',
      request: { params: s.VersionPath },
      responses: {
        200: ok(z.object({ verifications: z.array(s.Verification) }), 'Verifications'),
        ...problems,
      },
    }),
    async (c) => {
      const version = await versionSeenBy(db, c.get('principal'), c.req.valid('param'));
      const all = await listVerifications(db, version, SHOWN);
      return c.json({ verifications: all.map(viewVerification) }, 200);
    },
  );

  app.openapi(
    route({
      method: 'post',
      path: '/adapters/{owner}/{name}/versions/{number}/verifications',
      summary: 'Have a version verified again',
      ...needs('publish', 'admin'),
      request: { params: s.VersionPath },
      responses: { 202: ok(s.Version, 'The version'), ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'publish', 'admin');
      const version = await versionSeenBy(db, principal, c.req.valid('param'));
      requireRole(principal, version.adapterId, 'write');
      if (version.status === 'quarantined' && !principal.scopes.has('admin'))
        throw new ApiError('forbidden', 'This version was taken off the list: ask whoever runs this server.');
      const changed = await verifyAgain(deps, version, principal.userId);
      return c.json(await viewVersion(db, principal, changed), 202);
    },
  );

  app.openapi(
    route({
      method: 'delete',
      path: '/adapters/{owner}/{name}/versions/{number}',
      summary:
        'Withdraw a version: nobody finds, fetches or invokes it any more, until it is published again',
      ...needs('manage'),
      request: { params: s.VersionPath },
      responses: { 200: ok(s.Version, 'The version'), ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'manage');
      const version = await versionSeenBy(db, principal, c.req.valid('param'));
      requireRole(principal, version.adapterId, 'admin');
      if (version.status === 'quarantined')
        throw new ApiError(
          'conflict',
          'This version was taken off the list already, by whoever runs this server.',
        );
      const changed = await withdraw(deps, version, principal.userId);
      return c.json(await viewVersion(db, principal, changed), 200);
    },
  );

  app.openapi(
    route({
      method: 'post',
      path: '/adapters/{owner}/{name}/versions/{number}/quarantine',
      summary: 'Take a version off the list; its publisher still sees it',
      ...needs('admin'),
      request: { params: s.VersionPath },
      responses: { 200: ok(s.Version, 'The version'), ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'admin');
      const version = await versionSeenBy(db, principal, c.req.valid('param'));
      const changed = await quarantine(deps, version, principal.userId);
      return c.json(await viewVersion(db, principal, changed), 200);
    },
  );
}
