/** Publishing: a draft takes in files, and becomes a version or a base. */
import { requirePrincipal } from '../context.ts';
import { beginPrivate, completeDraft, discardDraft, startAdapterDraft, viewDraft } from '../publish.ts';
import { awaitVerdict } from '../verify.ts';
import type { PublishDeps } from '../versions.ts';
import { type App, draftId, id, json, needs, ok, problems, routesOf } from './kit.ts';
import * as s from './schemas.ts';
import { viewBase, viewVersion } from './views.ts';

const route = routesOf('Publishing');

/** How long a client is kept waiting for the publish gate. */
const VERDICT_SECONDS = 30;

export function publishRoutes(app: App, deps: PublishDeps): void {
  app.openapi(
    route({
      method: 'post',
      path: '/adapters/{owner}/{name}/versions',
      summary: 'Start publishing a version: declare its files, get URLs to upload them to',
      ...needs('publish'),
      request: { ...id, body: { ...json(s.StartAdapter), required: true } },
      responses: { 201: ok(s.Draft, 'The draft'), ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'publish');
      const target = c.req.valid('param');
      const { base, files, visibility } = c.req.valid('json');
      if (visibility) await beginPrivate(deps, principal, `${target.owner}/${target.name}`);
      return c.json(await startAdapterDraft(deps, principal, target, base, files), 201);
    },
  );

  app.openapi(
    route({
      method: 'get',
      path: '/drafts/{id}',
      summary: 'Which parts have arrived, and fresh URLs for the others',
      ...needs('publish'),
      request: draftId,
      responses: { 200: ok(s.Draft, 'The draft'), ...problems },
    }),
    async (c) => c.json(await viewDraft(deps, requirePrincipal(c, 'publish'), c.req.valid('param').id), 200),
  );

  app.openapi(
    route({
      method: 'post',
      path: '/drafts/{id}/complete',
      summary: 'Check what was uploaded and list it',
      description:
        'An adapter passes the publish gate before it is listed. Answers when that has decided, or after half a minute with a version whose status is `pending`; ask again, or look at the version.',
      ...needs('publish'),
      request: draftId,
      responses: { 200: ok(s.Completed, 'What is listed now, or pending'), ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'publish');
      const done = await completeDraft(deps, principal, c.req.valid('param').id);
      if (done.kind === 'base') return c.json({ kind: done.kind, base: viewBase(done.base) }, 200);
      const version = await awaitVerdict(deps, done.version, VERDICT_SECONDS);
      const shown = await viewVersion(deps.db, principal, version);
      return c.json({ kind: done.kind, created: done.created, version: shown }, 200);
    },
  );

  app.openapi(
    route({
      method: 'delete',
      path: '/drafts/{id}',
      summary: 'Give up a draft and what was uploaded of it',
      ...needs('publish'),
      request: draftId,
      responses: { 204: { description: 'Gone' }, ...problems },
    }),
    async (c) => {
      await discardDraft(deps, requirePrincipal(c, 'publish'), c.req.valid('param').id);
      return c.body(null, 204);
    },
  );
}
