/** Patchbay's own protocol: the catalog, publishing, bases and keys. */
import { createRoute, OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi';
import { bodyLimit } from 'hono/body-limit';
import { createMiddleware } from 'hono/factory';
import { filesOfVersion, findAdapter, findVersion, listVersions, searchAdapters } from '../../db/adapters.ts';
import { filesOfBase, findBase, listBases } from '../../db/bases.ts';
import type { Auth, Scope } from '../auth.ts';
import { blobKey } from '../blob-store.ts';
import { type AppEnv, MAX_BODY, requirePrincipal, tooLarge } from '../context.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { ApiError } from '../errors.ts';
import { completeDraft, discardDraft, startAdapterDraft, startBaseDraft, viewDraft } from '../publish.ts';
import type { PublishDeps } from '../versions.ts';
import * as s from './schemas.ts';
import { viewAdapter, viewBase, viewVersion } from './views.ts';

const json = <T extends z.ZodType>(schema: T) => ({ content: { 'application/json': { schema } } });
const ok = <T extends z.ZodType>(schema: T, description: string) => ({ ...json(schema), description });
const problems = { default: { ...json(s.Problem), description: 'RFC 9457 problem' } };
const limitBody = bodyLimit({
  maxSize: MAX_BODY,
  onError: () => {
    throw tooLarge();
  },
});
/** Who may call is settled before what they sent is looked at. */
const needs = (...scopes: [Scope, ...Scope[]]) => ({
  security: [{ key: scopes }],
  middleware: [
    createMiddleware<AppEnv>(async (c, next) => {
      requirePrincipal(c, ...scopes);
      await next();
    }),
    limitBody,
  ],
});
const id = { params: s.Id };
const draftId = { params: z.object({ id: z.uuid() }) };

export type PatchbayDeps = PublishDeps & { readonly auth: Auth };

export function patchbayRoutes(deps: PatchbayDeps) {
  const app = new OpenAPIHono<AppEnv>({
    defaultHook: (result) => {
      if (result.success) return;
      const issue = result.error.issues[0]!;
      const field = issue.path.join('.');
      throw new ApiError('invalid_request', field ? `${field}: ${issue.message}` : issue.message, {
        ...(field ? { field } : {}),
      });
    },
  });
  catalogRoutes(app, deps);
  publishRoutes(app, deps);
  baseRoutes(app, deps);
  keyRoutes(app, deps);
  return app;
}

type App = OpenAPIHono<AppEnv>;
const route = <const R extends RouteConfig>(config: R) => createRoute(config);

function catalogRoutes(app: App, { db, blobs }: PatchbayDeps): void {
  app.openapi(
    route({
      method: 'get',
      path: '/adapters',
      summary: 'Search the catalog',
      request: { query: s.Search },
      responses: { 200: ok(s.AdapterPage, 'A page'), ...problems },
    }),
    async (c) => {
      const { q, cursor, limit, ...filter } = c.req.valid('query');
      const { rows, next } = await searchAdapters(
        db,
        { ...filter, query: q },
        limit,
        cursor ? decodeCursor(cursor) : undefined,
      );
      return c.json({ adapters: rows.map(viewAdapter), next: next ? encodeCursor(next) : null }, 200);
    },
  );

  app.openapi(
    route({
      method: 'get',
      path: '/adapters/{owner}/{name}',
      summary: 'One adapter, with its card and versions',
      request: id,
      responses: { 200: ok(s.AdapterDetail, 'The adapter'), ...problems },
    }),
    async (c) => {
      const adapter = await adapterOr404(c.req.valid('param'));
      const versions = await listVersions(db, adapter.id);
      return c.json(
        { ...viewAdapter(adapter), card: versions[0]?.card ?? '', versions: versions.map(viewVersion) },
        200,
      );
    },
  );

  app.openapi(
    route({
      method: 'get',
      path: '/adapters/{owner}/{name}/versions/{number}',
      summary: 'One version, with its files',
      request: { params: s.VersionPath },
      responses: { 200: ok(s.VersionDetail, 'The version'), ...problems },
    }),
    async (c) => {
      const version = await versionOr404(c.req.valid('param'));
      const files = await filesOfVersion(db, version.adapterId, version.number);
      return c.json({ ...viewVersion(version), config: version.config, card: version.card, files }, 200);
    },
  );

  app.openapi(
    route({
      method: 'get',
      path: '/adapters/{owner}/{name}/versions/{number}/files/{path}',
      summary: 'Download a file: redirects to the object store',
      request: { params: s.VersionPath.extend({ path: z.string() }) },
      responses: { 302: { description: 'Where the file is' }, ...problems },
    }),
    async (c) => {
      const { path, ...rest } = c.req.valid('param');
      const version = await versionOr404(rest);
      const file = (await filesOfVersion(db, version.adapterId, version.number)).find(
        (one) => one.path === path,
      );
      if (!file)
        throw new ApiError('not_found', `${version.adapterId}@${version.number} has no file ${path}.`, {
          field: 'path',
        });
      return c.redirect(await blobs.readUrl(blobKey(file.sha256), path), 302);
    },
  );

  async function adapterOr404({ owner, name }: { owner: string; name: string }) {
    const adapter = await findAdapter(db, `${owner}/${name}`);
    if (!adapter) throw new ApiError('not_found', `There is no adapter ${owner}/${name}.`);
    return adapter;
  }

  async function versionOr404({ owner, name, number }: { owner: string; name: string; number: number }) {
    const version = await findVersion(db, `${owner}/${name}`, number);
    if (!version) throw new ApiError('not_found', `There is no version ${owner}/${name}@${number}.`);
    return version;
  }
}

function publishRoutes(app: App, deps: PatchbayDeps): void {
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
      const { base, files } = c.req.valid('json');
      return c.json(await startAdapterDraft(deps, principal, c.req.valid('param'), base, files), 201);
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
      ...needs('publish'),
      request: draftId,
      responses: { 200: ok(s.Completed, 'What is listed now'), ...problems },
    }),
    async (c) => {
      const done = await completeDraft(deps, requirePrincipal(c, 'publish'), c.req.valid('param').id);
      if (done.kind === 'base') return c.json({ kind: done.kind, base: viewBase(done.base) }, 200);
      return c.json({ kind: done.kind, created: done.created, version: viewVersion(done.version) }, 200);
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

function baseRoutes(app: App, deps: PatchbayDeps): void {
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

function keyRoutes(app: App, { auth }: PatchbayDeps): void {
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
