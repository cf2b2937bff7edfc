/** OpenAI's uploads: files in parts, for those that are larger than a request may be. */
import { Hono } from 'hono';
import { z } from 'zod';
import type { Upload, UploadPart } from '../../db/uploads.ts';
import { type AppEnv, requirePrincipal } from '../context.ts';
import { readMultipart } from '../multipart.ts';
import { parseInput, readJsonBody } from '../request.ts';
import {
  dropUpload,
  finishUpload,
  MAX_PARTS,
  ownUpload,
  partTooLarge,
  receivePart,
  requireOpen,
  startUpload,
  statusOf,
  UPLOAD_SECONDS,
} from '../user-uploads.ts';
import type { PublishDeps } from '../versions.ts';
import { FORM_OVERHEAD, viewFile } from './files.ts';
import { seconds } from './paging.ts';

/** OpenAI's. */
const PART_LIMIT = 64 * 2 ** 20;
/** With what a form and base64 add, it fits into the 6 MB of a Lambda. */
const SMALL_PART_LIMIT = 4 * 2 ** 20;

export const UploadBody = z
  .looseObject({
    purpose: z.string().max(64),
    filename: z.string().max(1024),
    bytes: z.int().min(1),
    /** OpenAI asks for it; rows are read as what they are. */
    mime_type: z.string().max(255).optional(),
  })
  .refine((body) => body['expires_after'] === undefined, {
    path: ['expires_after'],
    error: 'is not supported; leave it out',
  });

export const UploadCompletion = z.object({
  part_ids: z
    .array(z.string().regex(/^[\w-]{1,64}$/, 'is no id of a part'))
    .min(1)
    .max(MAX_PARTS),
  md5: z
    .string()
    .regex(/^[0-9a-f]{32}$/i, 'must be 32 hexadecimal digits')
    .optional(),
});

/** What is in the form is read as it comes; this tells of it. */
export const PartForm = z.object({ data: z.string().meta({ format: 'binary' }) });

/** @param smallBodies whether requests may have a few megabytes only */
export function uploadRoutes(deps: PublishDeps, smallBodies: boolean) {
  const app = new Hono<AppEnv>();
  const partLimit = smallBodies ? SMALL_PART_LIMIT : PART_LIMIT;

  const view = (upload: Upload) => ({
    id: upload.id,
    object: 'upload',
    bytes: upload.size,
    created_at: seconds(upload.createdAt),
    filename: upload.filename,
    purpose: upload.purpose,
    status: statusOf(upload, deps.now()),
    expires_at: seconds(upload.createdAt) + UPLOAD_SECONDS,
    file: null,
  });

  app.post('/uploads', async (c) => {
    const principal = requirePrincipal(c, 'train');
    const body = parseInput(UploadBody, await readJsonBody(c.req.raw));
    return c.json(view(await startUpload(deps, principal, body)));
  });

  app.post('/uploads/:id/parts', async (c) => {
    const upload = await ownUpload(deps, requirePrincipal(c, 'train'), c.req.param('id'));
    requireOpen(deps, upload);
    if (Number(c.req.header('content-length') ?? 0) > partLimit + FORM_OVERHEAD)
      throw partTooLarge(partLimit);
    return c.json(viewPart(await receivePart(deps, upload, readMultipart(c.req.raw), partLimit)));
  });

  app.post('/uploads/:id/complete', async (c) => {
    const principal = requirePrincipal(c, 'train');
    const id = c.req.param('id');
    await ownUpload(deps, principal, id);
    const body = parseInput(UploadCompletion, await readJsonBody(c.req.raw));
    const { upload, file } = await finishUpload(deps, principal, id, body);
    return c.json({ ...view(upload), file: viewFile(file) });
  });

  app.post('/uploads/:id/cancel', async (c) =>
    c.json(view(await dropUpload(deps, requirePrincipal(c, 'train'), c.req.param('id')))),
  );

  return app;
}

const viewPart = ({ id, uploadId, createdAt }: UploadPart) => ({
  id,
  object: 'upload.part',
  created_at: seconds(createdAt),
  upload_id: uploadId,
});
