/** Base models. */
import { z } from '@hono/zod-openapi';
import { filesOfBase, findBase, listBases } from '../../db/bases.ts';
import { cardHtml } from '../card-html.ts';
import { requirePrincipal } from '../context.ts';
import { ApiError } from '../errors.ts';
import { startBaseDraft } from '../publish.ts';
import type { PublishDeps } from '../versions.ts';
import { type App, id, json, needs, ok, problems, routesOf } from './kit.ts';
import * as s from './schemas.ts';
import { viewBase } from './views.ts';

const route = routesOf('Catalog');

export function baseRoutes(app: App, deps: PublishDeps): void {
  app.openapi(
    route({
      method: 'get',
      path: '/bases',
      summary: 'Base models',
      responses: { 200: ok(z.object({ bases: z.array(s.Base) }), 'All bases'), ...problems },
    }),
    async (c) => c.json({ bases: (await listBases(deps.db)).map(viewBase) }, 200),
  );

  app.openapi(
    route({
      method: 'get',
      path: '/bases/{owner}/{name}',
      summary: 'One base model, with its files',
      request: id,
      responses: { 200: ok(s.BaseDetail, 'The base'), ...problems },
    }),
    async (c) => {
      const { owner, name } = c.req.valid('param');
      const base = await findBase(deps.db, `${owner}/${name}`);
      if (!base) throw new ApiError('not_found', `There is no base model ${owner}/${name}.`);
      return c.json(
        {
          ...viewBase(base),
          card: base.card,
          cardHtml: cardHtml(base.card),
          config: base.config,
          files: await filesOfBase(deps.db, base.id),
        },
        200,
      );
    },
  );

  app.openapi(
    route({
      method: 'post',
      path: '/bases/{owner}/{name}',
      summary: 'Start importing a base model: a Hugging Face checkpoint folder',
      ...needs('admin'),
      request: { ...id, body: { ...json(s.StartBase), required: true } },
      responses: { 201: ok(s.Draft, 'The draft'), ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'admin');
      return c.json(
        await startBaseDraft(deps, principal, c.req.valid('param'), c.req.valid('json').files),
        201,
      );
    },
  );
}
