/** OpenAI's files, for training. */
import { Hono } from 'hono';
import { z } from 'zod';
import { listFiles, type UserFile } from '../../db/files.ts';
import { fileKey } from '../../functions/object-keys.ts';
import { type AppEnv, requirePrincipal } from '../context.ts';
import { readMultipart } from '../multipart.ts';
import { parseInput } from '../request.ts';
import { ownFile, PURPOSE, receiveFile, removeFile, requireFileSize } from '../user-files.ts';
import type { PublishDeps } from '../versions.ts';
import { listOf, pageQuery, seconds } from './paging.ts';
import { isResultFile, readResultFile } from './result-file.ts';

/** What a multipart body holds besides the file. */
export const FORM_OVERHEAD = 64 * 1024;
const DEFAULT_LIMIT = 100;
/** OpenAI's. */
const MAX_LIMIT = 10_000;

/** What is in the form is read as it comes; this tells of it. */
export const FileForm = z.object({
  purpose: z.literal(PURPOSE),
  file: z.string().meta({ format: 'binary' }),
});

export const FilesQuery = z.object({
  ...pageQuery(DEFAULT_LIMIT, MAX_LIMIT),
  order: z.enum(['asc', 'desc']).default('desc'),
  purpose: z.string().max(64).optional(),
});

export function fileRoutes(deps: PublishDeps) {
  const app = new Hono<AppEnv>();

  app.post('/files', async (c) => {
    const principal = requirePrincipal(c, 'train');
    requireFileSize(Number(c.req.header('content-length') ?? 0) - FORM_OVERHEAD, 'file');
    return c.json(viewFile(await receiveFile(deps, principal, readMultipart(c.req.raw))));
  });

  app.get('/files', async (c) => {
    const principal = requirePrincipal(c, 'train');
    const { after, limit, order, purpose } = parseInput(FilesQuery, c.req.query());
    const last = after === undefined ? undefined : await ownFile(deps, principal, after, 'after');
    const found = await listFiles(deps.db, principal.userId, { order, limit, purpose, after: last });
    return c.json(listOf(found, limit, viewFile));
  });

  app.get('/files/:id', async (c) => {
    const principal = requirePrincipal(c, 'train');
    const id = c.req.param('id');
    if (isResultFile(id)) return c.json((await readResultFile(deps, principal, id)).view);
    return c.json(viewFile(await ownFile(deps, principal, id)));
  });

  app.get('/files/:id/content', async (c) => {
    const principal = requirePrincipal(c, 'train');
    const asked = c.req.param('id');
    if (isResultFile(asked)) {
      const { content } = await readResultFile(deps, principal, asked);
      return c.body(content, 200, { 'content-type': 'text/csv' });
    }
    const { id, size, filename } = await ownFile(deps, principal, asked);
    return c.body(await deps.blobs.read(fileKey(id)), 200, {
      'content-type': 'application/octet-stream',
      'content-length': String(size),
      'content-disposition': `attachment; filename="${filename.replace(/[^\w.-]/g, '_')}"`,
    });
  });

  app.delete('/files/:id', async (c) => {
    const id = c.req.param('id');
    await removeFile(deps, requirePrincipal(c, 'train'), id);
    return c.json({ id, object: 'file', deleted: true });
  });

  return app;
}

export function viewFile({ id, size, createdAt, filename, purpose }: UserFile) {
  return {
    id,
    object: 'file',
    bytes: size,
    created_at: seconds(createdAt),
    filename,
    purpose,
    // The lines are read when a job is made: a tokenizer decides what they mean.
    status: 'processed',
    status_details: null,
  };
}
