/**
 * Files that come in parts, each in a request of its own: for files that are larger than a request may be. Parts lie in the object
 * store by themselves; the completion reads them in their order into a file, in the way of one that comes whole. What is closed, by
 * whatever, is swept some time later, and not before: a completion may still be reading.
 */
import { findFile, type UserFile } from '../db/files.ts';
import {
  addPart,
  cancelUpload,
  completeUpload,
  findParts,
  findUpload,
  insertUpload,
  type Upload,
  type UploadPart,
} from '../db/uploads.ts';
import { pieceKey } from '../functions/object-keys.ts';
import type { Principal } from './auth.ts';
import type { Hasher } from './content.ts';
import { ApiError } from './errors.ts';
import type { Part } from './multipart.ts';
import { takeRoom } from './room.ts';
import { PART_SIZE } from './staged-files.ts';
import { inPieces, storeStream } from './store-stream.ts';
import { asFilename, asPurpose, keepFile, requireFileSize, wrong } from './user-files.ts';
import type { PublishDeps } from './versions.ts';

/** OpenAI's. */
export const UPLOAD_SECONDS = 3600;
/** Of one user: each has room kept free for it. */
const MAX_OPEN = 20;
/** Of one upload, those that came twice included. All are read in one request, which at the edge may make a thousand of its own. */
export const MAX_PARTS = 800;
/** How often all of it may come: a client whose connection broke off sends a part again. */
const SENDINGS = 2;

/** @throws ApiError naming the field, too_large, conflict */
export async function startUpload(
  deps: PublishDeps,
  { owner, userId }: Principal,
  asked: { filename: string; purpose: string; bytes: number },
): Promise<Upload> {
  const [filename, purpose] = [asFilename(asked.filename, 'filename'), asPurpose(asked.purpose)];
  requireFileSize(asked.bytes, 'bytes');
  const createdAt = deps.now();
  const closesAt = new Date(createdAt.getTime() + UPLOAD_SECONDS * 1000);
  const id = `upload_${crypto.randomUUID()}`;
  const upload = { id, userId, filename, purpose, size: asked.bytes, createdAt, closesAt };
  const made = await takeRoom(deps, owner, asked.bytes, (tx) => insertUpload(tx, upload, MAX_OPEN));
  if (made) return made;
  throw new ApiError('conflict', `You have ${MAX_OPEN} uploads open: complete or cancel one of them first.`);
}

/** @throws ApiError not_found */
export async function ownUpload(
  deps: Pick<PublishDeps, 'db'>,
  { userId }: Principal,
  id: string,
): Promise<Upload> {
  const upload = await findUpload(deps.db, userId, id);
  if (!upload) throw new ApiError('not_found', `There is no upload ${id}.`, { field: 'upload_id' });
  return upload;
}

/** @throws ApiError conflict */
export function requireOpen(deps: Pick<PublishDeps, 'now'>, upload: Upload): void {
  if (statusOf(upload, deps.now()) !== 'pending') throw closed(deps, upload);
}

export const statusOf = ({ status, closesAt }: Upload, now: Date): Upload['status'] =>
  status === 'pending' && closesAt <= now ? 'expired' : status;

const closed = ({ now }: Pick<PublishDeps, 'now'>, upload: Upload) =>
  new ApiError('conflict', `${upload.id} is ${statusOf(upload, now())}: start another upload.`, {
    field: 'upload_id',
  });

/** Takes the field `data`. @throws ApiError; then nothing of the part is kept */
export async function receivePart(
  deps: PublishDeps,
  upload: Upload,
  form: AsyncGenerator<Part>,
  limit: number,
): Promise<UploadPart> {
  const id = `part_${crypto.randomUUID()}`;
  const keys: string[] = [];
  try {
    let size = 0;
    for await (const { name, content } of form) {
      if (name !== 'data') continue;
      if (size > 0) throw wrong('data', 'is there twice; send one part at a time');
      for await (const piece of inPieces(limited(content, upload, limit), PART_SIZE)) {
        keys.push(pieceKey(upload.id, id, keys.length));
        await deps.blobs.put(keys.at(-1)!, piece);
        size += piece.length;
      }
      if (size === 0) throw wrong('data', 'is empty');
    }
    if (size === 0) throw wrong('data', 'is missing');
    const part = { id, uploadId: upload.id, size, createdAt: deps.now() };
    const became = await addPart(deps.db, part, { parts: MAX_PARTS, bytes: SENDINGS * upload.size });
    if (became === 'closed') throw closed(deps, (await findUpload(deps.db, upload.userId, upload.id))!);
    if (became === 'full')
      throw new ApiError(
        'conflict',
        `${upload.id} has ${MAX_PARTS} parts, or more than ${SENDINGS} times the ${upload.size} bytes that were declared: complete it, or start another upload.`,
        { field: 'data' },
      );
    return part;
  } catch (error) {
    for (const key of keys) await deps.blobs.remove(key);
    throw error;
  }
}

/** @throws ApiError too_large */
async function* limited(content: Part['content'], upload: Upload, limit: number): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of content) {
    size += chunk.length;
    if (size > limit) throw partTooLarge(limit);
    if (size > upload.size)
      throw new ApiError('too_large', `data is more than the ${upload.size} bytes that were declared.`, {
        field: 'data',
      });
    yield chunk;
  }
}

export const partTooLarge = (limit: number) =>
  new ApiError('too_large', `A part may have ${limit} bytes here: send more and smaller ones.`, {
    field: 'data',
  });

/**
 * Asked again, it answers the same file: a client may not have heard the answer. Asked again while it is at work, both work, and
 * whoever is done first has made the file.
 * @throws ApiError naming the field; then the upload stays open
 */
export async function finishUpload(
  deps: PublishDeps,
  principal: Principal,
  id: string,
  asked: { part_ids: readonly string[]; md5?: string | undefined },
): Promise<{ upload: Upload; file: UserFile }> {
  const upload = await ownUpload(deps, principal, id);
  if (upload.status === 'completed') return completed(deps, upload);
  requireOpen(deps, upload);
  const parts = await partsInOrder(deps, upload, asked.part_ids);
  try {
    await putTogether(deps, upload, parts, asked.md5);
  } catch (error) {
    const now = await ownUpload(deps, principal, id);
    if (now.status !== 'completed') throw error;
  }
  return completed(deps, await ownUpload(deps, principal, id));
}

async function completed(deps: PublishDeps, upload: Upload): Promise<{ upload: Upload; file: UserFile }> {
  const file = upload.fileId === null ? undefined : await findFile(deps.db, upload.userId, upload.fileId);
  if (file) return { upload, file };
  throw new ApiError('conflict', `The file that ${upload.id} became was deleted: start another upload.`);
}

async function partsInOrder(
  { db }: PublishDeps,
  upload: Upload,
  ids: readonly string[],
): Promise<UploadPart[]> {
  const found = new Map((await findParts(db, upload.id, ids)).map((part) => [part.id, part]));
  const parts = ids.map((id) => {
    const part = found.get(id);
    if (!part) throw wrong('part_ids', `names ${id}, which ${upload.id} does not have, or names it twice`);
    found.delete(id);
    return part;
  });
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  if (size === upload.size) return parts;
  throw wrong('part_ids', `has parts of ${size} bytes together; ${upload.size} were declared as \`bytes\``);
}

function putTogether(
  deps: PublishDeps,
  upload: Upload,
  parts: readonly UploadPart[],
  md5: string | undefined,
): Promise<UserFile> {
  const { filename, purpose } = upload;
  return keepFile(
    deps,
    upload.userId,
    async (to) => {
      const hasher = md5 === undefined ? undefined : deps.createHasher('md5');
      // What fits was asked when the room was kept free.
      const stored = await storeStream(deps, to, contentOf(deps, parts, hasher), () => undefined);
      const actual = hasher?.digest();
      if (actual !== md5?.toLowerCase())
        throw wrong('md5', `is ${md5}; what came has ${actual}: send the parts that are not right again`);
      return { ...stored, filename, purpose };
    },
    async (fileId, facts) => {
      const file = await completeUpload(deps.db, upload.id, fileId, facts, deps.now());
      if (file) return file;
      throw closed(deps, (await findUpload(deps.db, upload.userId, upload.id))!);
    },
  );
}

/** @param also hears what is read */
async function* contentOf(
  { blobs }: PublishDeps,
  parts: readonly UploadPart[],
  also: Hasher | undefined,
): AsyncGenerator<Uint8Array> {
  for (const { id, uploadId, size } of parts)
    for (let number = 0; number * PART_SIZE < size; number++)
      for await (const chunk of await blobs.read(pieceKey(uploadId, id, number))) {
        also?.update(chunk);
        yield chunk;
      }
}

/** Cancelled twice, it is cancelled. @throws ApiError conflict where it is completed or has expired */
export async function dropUpload(deps: PublishDeps, principal: Principal, id: string): Promise<Upload> {
  await ownUpload(deps, principal, id);
  const upload = (await cancelUpload(deps.db, id, deps.now())) ?? (await ownUpload(deps, principal, id));
  if (upload.status !== 'cancelled') throw closed(deps, upload);
  return upload;
}
