/** The catalog: searching it, and what a page of an adapter shows. */
import { z } from '@hono/zod-openapi';
import { filesOfVersion, searchAdapters } from '../../db/adapters.ts';
import { latestVerdict } from '../../db/verifications.ts';
import { blobKey } from '../blob-store.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { ApiError } from '../errors.ts';
import type { PublishDeps } from '../versions.ts';
import { type App, id, ok, problems, route } from './kit.ts';
import * as s from './schemas.ts';
import { adapterSeenBy, versionSeenBy } from './seen.ts';
import { viewAdapter, viewRunsOn, viewVerification, viewVersion } from './views.ts';

export function catalogRoutes(app: App, { db, blobs }: PublishDeps): void {
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
      const { adapter, versions } = await adapterSeenBy(db, c.get('principal'), c.req.valid('param'));
      const latest = versions.find(({ number }) => number === adapter.latest) ?? versions[0];
      return c.json(
        { ...viewAdapter(adapter), card: latest?.card ?? '', versions: versions.map(viewVersion) },
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
      const version = await versionSeenBy(db, c.get('principal'), c.req.valid('param'));
      const files = await filesOfVersion(db, version.adapterId, version.number);
      const verdict = await latestVerdict(db, version);
      return c.json(
        {
          ...viewVersion(version),
          config: version.config,
          card: version.card,
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
      return c.redirect(await blobs.readUrl(blobKey(file.sha256), path), 302);
    },
  );
}
