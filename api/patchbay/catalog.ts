/** The catalog: searching it, and what a page of an adapter shows. */

import { z } from '@hono/zod-openapi';
import { filesOfVersion, findAdapter, findByDigest } from '../../db/adapters.ts';
import { type CatalogFilter, countFacets, searchCatalog, similarTo } from '../../db/catalog.ts';
import { hasLiked, like, unlike } from '../../db/popularity.ts';
import { latestVerdict } from '../../db/verifications.ts';
import { addEvent } from '../../db/webhooks.ts';
import { blobKey } from '../../functions/object-keys.ts';
import { privateOf, requireUse } from '../access.ts';
import { cardHtml } from '../card-html.ts';
import { requirePrincipal } from '../context.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import type { DownloadCounter } from '../downloads.ts';
import { ApiError } from '../errors.ts';
import { familyOf } from '../family.ts';
import { catalogFacts, type PublishDeps } from '../versions.ts';
import { type App, id, json, needs, ok, problems, routesOf } from './kit.ts';
import * as s from './schemas.ts';
import { adapterSeenBy, versionSeenBy } from './seen.ts';
import { viewAdapter, viewCounts, viewRunsOn, viewVerification, viewVersion, viewVersions } from './views.ts';

const route = routesOf('Catalog');

const SIMILAR = 6;
const FOUND = 100;

export interface CatalogDeps extends PublishDeps {
  readonly downloads: DownloadCounter;
  /** What runners have in memory. */
  readonly loadedBases: () => Promise<readonly string[]>;
}

export function catalogRoutes(app: App, { db, blobs, downloads, loadedBases }: CatalogDeps): void {
  app.openapi(
    route({
      method: 'get',
      path: '/adapters',
      summary: 'Search the catalog',
      request: { query: s.Search },
      responses: { 200: ok(s.AdapterPage, 'A page'), ...problems },
    }),
    async (c) => {
      const { sort: asked, limit, cursor, counts, ...query } = c.req.valid('query');
      const warm = await loadedBases();
      const filter = { ...filterOf(query, warm), privateOf: privateOf(c.get('principal')) };
      const sort = asked ?? (query.q?.trim() ? 'relevance' : 'newest');
      const after = cursor ? decodeCursor(cursor, sort) : undefined;
      const [page, counted] = await Promise.all([
        searchCatalog(db, filter, { sort, limit, after }),
        counts === 'true' ? countFacets(db, filter) : undefined,
      ]);
      const { rows, next, alike } = page;
      return c.json(
        {
          adapters: rows.map(viewAdapter),
          next: next ? encodeCursor(next) : null,
          alike,
          warm: [...warm],
          ...(counted ? { counts: viewCounts(counted) } : {}),
        },
        200,
      );
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
      const viewer = c.get('principal');
      const { adapter, versions } = await adapterSeenBy(db, viewer, c.req.valid('param'));
      const latest = versions.find(({ number }) => number === adapter.latest) ?? versions[0];
      return c.json(
        {
          ...viewAdapter(adapter),
          card: latest?.card ?? '',
          liked: viewer !== undefined && (await hasLiked(db, adapter.id, viewer.userId)),
          cardHtml: cardHtml(latest?.card ?? ''),
          versions: await viewVersions(db, viewer, versions),
        },
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
      const viewer = c.get('principal');
      const version = await versionSeenBy(db, viewer, c.req.valid('param'));
      const files = await filesOfVersion(db, version.adapterId, version.number);
      const verdict = await latestVerdict(db, version);
      return c.json(
        {
          ...(await viewVersion(db, viewer, version)),
          config: version.config,
          card: version.card,
          cardHtml: cardHtml(version.card),
          ...catalogFacts(version),
          evalGain: version.evalGain,
          evaluation: version.evaluation ?? null,
          files,
          verification: verdict ? viewVerification(verdict) : null,
          runsOn: viewRunsOn(version),
        },
        200,
      );
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
      const version = await versionSeenBy(db, c.get('principal'), rest);
      const file = (await filesOfVersion(db, version.adapterId, version.number)).find(
        (one) => one.path === path,
      );
      if (!file)
        throw new ApiError('not_found', `${version.adapterId}@${version.number} has no file ${path}.`, {
          field: 'path',
        });
      await requireUse(db, c.get('principal'), (await findAdapter(db, version.adapterId))!, 'read');
      downloads.count(version.adapterId, path);
      return c.redirect(await blobs.readUrl(blobKey(file.sha256), path), 302);
    },
  );

  app.openapi(
    route({
      method: 'get',
      path: '/adapters/{owner}/{name}/versions/{number}/family',
      summary: 'What a version was trained from, and what was trained from it',
      request: { params: s.VersionPath },
      responses: { 200: ok(s.Family, 'Ancestors and descendants'), ...problems },
    }),
    async (c) =>
      c.json(
        await familyOf(
          db,
          c.get('principal'),
          await versionSeenBy(db, c.get('principal'), c.req.valid('param')),
        ),
        200,
      ),
  );

  app.openapi(
    route({
      method: 'get',
      path: '/adapters/{owner}/{name}/similar',
      summary: 'Adapters like this one: of its base and task, with its tags',
      request: id,
      responses: { 200: ok(z.object({ adapters: z.array(s.Adapter) }), 'Up to six'), ...problems },
    }),
    async (c) => {
      const viewer = c.get('principal');
      const { adapter } = await adapterSeenBy(db, viewer, c.req.valid('param'));
      const similar = await similarTo(db, adapter, privateOf(viewer), SIMILAR);
      return c.json({ adapters: similar.map(viewAdapter) }, 200);
    },
  );

  app.openapi(
    route({
      method: 'get',
      path: '/files/{sha256}',
      summary: 'Which adapter is this file? By its sha256',
      request: { params: z.object({ sha256: z.string().regex(/^[0-9a-f]{64}$/) }) },
      responses: {
        200: ok(z.object({ files: z.array(s.FoundFile) }), 'Where it is, newest first'),
        ...problems,
      },
    }),
    async (c) => {
      const shown = privateOf(c.get('principal'));
      const found = await findByDigest(db, c.req.valid('param').sha256, shown, FOUND);
      const files = found.map(({ adapterId, number, path }) => ({
        adapter: adapterId,
        version: number,
        reference: `${adapterId}@${number}`,
        path,
      }));
      return c.json({ files }, 200);
    },
  );

  app.openapi(
    route({
      method: 'post',
      path: '/adapters/{owner}/{name}/reports',
      summary: 'Tell whoever runs this server that something is wrong with an adapter',
      ...needs('read'),
      request: { ...id, body: { ...json(s.NewReport), required: true } },
      responses: {
        202: {
          description: 'Whoever runs the server sees it; its owner, that there was one, and the reason',
        },
        ...problems,
      },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'read');
      const { adapter } = await adapterSeenBy(db, principal, c.req.valid('param'));
      const data = c.req.valid('json');
      await addEvent(db, { actor: principal.userId, kind: 'adapter.reported', subject: adapter.id, data });
      return c.body(null, 202);
    },
  );

  for (const [method, change] of [
    ['put', like],
    ['delete', unlike],
  ] as const)
    app.openapi(
      route({
        method,
        path: '/adapters/{owner}/{name}/like',
        summary: method === 'put' ? 'Like an adapter' : 'Take a like back',
        ...needs('read'),
        request: id,
        responses: { 204: { description: 'Done, or done before' }, ...problems },
      }),
      async (c) => {
        const principal = requirePrincipal(c, 'read');
        const { adapter } = await adapterSeenBy(db, principal, c.req.valid('param'));
        await change(db, adapter.id, principal.userId);
        return c.body(null, 204);
      },
    );
}

type Query = Omit<z.infer<typeof s.Search>, 'sort' | 'limit' | 'cursor' | 'counts'>;

function filterOf(
  { q, owner, warm, minRank, maxRank, ...facets }: Query,
  loaded: readonly string[],
): CatalogFilter {
  return { query: q, owner, bases: warm && loaded, minRank, maxRank, facets };
}
