/** Who may use an adapter: its visibility, its gate, and those who ask to be let in. */
import { z } from '@hono/zod-openapi';
import { ownerName } from '../../adapter/reference.ts';
import type { Database } from '../../db/open.ts';
import { decideAccess, findPerson, listAccess, requestAccess, settle } from '../../db/people.ts';
import { requireRole } from '../access.ts';
import { requirePrincipal } from '../context.ts';
import { ApiError } from '../errors.ts';
import { type App, id, json, needs, ok, problems, routesOf } from './kit.ts';
import * as p from './people-schemas.ts';
import * as s from './schemas.ts';
import { adapterSeenBy } from './seen.ts';

const route = routesOf('Accounts');

const Requester = s.Id.extend({ user: ownerName });

export function accessRoutes(app: App, { db }: { readonly db: Database }): void {
  app.openapi(
    route({
      method: 'patch',
      path: '/adapters/{owner}/{name}',
      summary: 'Make an adapter private or public, gated or open; also before its first version',
      ...needs('manage'),
      request: { ...id, body: { ...json(p.Settings.partial()), required: true } },
      responses: { 200: ok(p.Settings, 'As it is now'), ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'manage');
      const { owner, name } = c.req.valid('param');
      requireRole(principal, `${owner}/${name}`, 'admin');
      const { visibility, gate } = c.req.valid('json');
      const changes = {
        ...(visibility === undefined ? {} : { visibility }),
        ...(gate === undefined ? {} : { gate }),
      };
      return c.json(await settle(db, `${owner}/${name}`, changes, principal.userId), 200);
    },
  );

  app.openapi(
    route({
      method: 'post',
      path: '/adapters/{owner}/{name}/access',
      summary: 'Ask for access to a gated adapter',
      ...needs('read'),
      request: {
        ...id,
        body: { ...json(z.object({ message: s.storable(1000).default('') })), required: true },
      },
      responses: { 200: ok(z.object({ status: p.AccessStatus }), 'What became of it'), ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'read');
      const { adapter } = await adapterSeenBy(db, principal, c.req.valid('param'));
      // Else whoever asked in time would be past a gate that comes later.
      if (adapter.gate === null)
        throw new ApiError('conflict', `${adapter.id} is not gated: there is nothing to ask for.`);
      const { message } = c.req.valid('json');
      const asked = { adapterId: adapter.id, userId: principal.userId, message };
      const status = await requestAccess(db, {
        ...asked,
        status: adapter.gate === 'auto' ? 'accepted' : 'pending',
      });
      return c.json({ status }, 200);
    },
  );

  app.openapi(
    route({
      method: 'get',
      path: '/adapters/{owner}/{name}/access',
      summary: 'Who asked for access',
      ...needs('manage'),
      request: id,
      responses: { 200: ok(z.object({ requests: z.array(p.AccessRequest) }), 'Requests'), ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'manage');
      const { adapter } = await adapterSeenBy(db, principal, c.req.valid('param'));
      requireRole(principal, adapter.id, 'write');
      const requests = (await listAccess(db, adapter.id)).map(({ createdAt, decidedAt, ...request }) => ({
        ...request,
        createdAt: createdAt.toISOString(),
        decidedAt: decidedAt?.toISOString() ?? null,
      }));
      return c.json({ requests }, 200);
    },
  );

  app.openapi(
    route({
      method: 'put',
      path: '/adapters/{owner}/{name}/access/{user}',
      summary: 'Let somebody in, or not; also who has not asked',
      ...needs('manage'),
      request: {
        params: Requester,
        body: { ...json(z.object({ status: z.enum(['accepted', 'rejected']) })), required: true },
      },
      responses: { 204: { description: 'Done' }, ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'manage');
      const { user, ...name } = c.req.valid('param');
      const { adapter } = await adapterSeenBy(db, principal, name);
      requireRole(principal, adapter.id, 'write');
      const person = await findPerson(db, user);
      if (!person) throw new ApiError('not_found', `There is nobody called ${user}.`);
      if (person.kind === 'organisation')
        throw new ApiError('invalid_request', `${user} is an organisation: let its members in one by one.`, {
          field: 'user',
        });
      const { status } = c.req.valid('json');
      await decideAccess(db, { adapterId: adapter.id, userId: person.id, status, actor: principal.userId });
      return c.body(null, 204);
    },
  );
}
