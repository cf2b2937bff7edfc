/** Files that users upload: streamed into the object store part by part, hashed on the way, never held whole. */

import { deleteFile, findFile, finishUpload, insertUpload, type UserFile } from '../db/files.ts';
import { fileKey } from '../functions/object-keys.ts';
import { removeAbandoned } from '../functions/sweep.ts';
import type { Principal } from './auth.ts';
import { ApiError } from './errors.ts';
import type { Part } from './multipart.ts';
import { noRoom, roomOf } from './room.ts';
import { PART_SIZE } from './staged-files.ts';
import type { PublishDeps } from './versions.ts';

/** OpenAI's limit. */
export const MAX_FILE_SIZE = 512 * 2 ** 20;
/** What Patchbay does with files; OpenAI's other purposes belong to services that are not here. */
export const PURPOSE = 'fine-tune';
const MAX_FIELD_SIZE = 1024;
const MAX_FILENAME = 255;

interface Received {
  readonly filename: string;
  readonly size: number;
  readonly sha256: string;
}

interface Destination {
  readonly key: string;
  readonly uploadId: string;
  readonly owner: string;
  /** Bytes that fit under the owner's name. */
  readonly room: number;
}

/** Takes the fields `file` and `purpose`, in any order. @throws ApiError naming the field; then nothing is kept */
export async function receiveFile(
  deps: PublishDeps,
  principal: Principal,
  parts: AsyncGenerator<Part>,
): Promise<UserFile> {
  const { owner } = principal;
  const room = await roomOf(deps, owner);
  const id = `file-${crypto.randomUUID()}`;
  const key = fileKey(id);
  const uploadId = await deps.blobs.startUpload(key);
  const { userId } = principal;
  await insertUpload(deps.db, { id, userId, filename: '', purpose: '', uploadId, createdAt: deps.now() });
  try {
    const { file, purpose } = await readForm(deps, { key, uploadId, owner, room }, parts);
    await deps.blobs.finishUpload(key, uploadId);
    return await finishUpload(deps.db, id, { ...file, purpose });
  } catch (error) {
    await removeAbandoned(deps, { id, uploadId });
    throw error;
  }
}

async function readForm(
  deps: PublishDeps,
  to: Destination,
  parts: AsyncGenerator<Part>,
): Promise<{ file: Received; purpose: string }> {
  let file: Received | undefined;
  let purpose: string | undefined;
  for await (const part of parts) {
    if (part.name === 'purpose') purpose = await readField(part);
    else if (part.name === 'file' && file) throw wrong('file', 'is there twice; send one file at a time');
    else if (part.name === 'file') file = await storeFile(deps, to, part);
    else if (/^expires_after/.test(part.name)) throw wrong('expires_after', 'is not supported; leave it out');
  }
  if (!file) throw wrong('file', 'is missing');
  if (purpose !== PURPOSE) throw wrong('purpose', `must be \`${PURPOSE}\``);
  return { file, purpose };
}

const wrong = (field: string, what: string) =>
  new ApiError('invalid_request', `${field} ${what}.`, { field });

async function readField({ name, content }: Part): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of content) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MAX_FIELD_SIZE) throw wrong(name, 'is too long');
  }
  return text + decoder.decode();
}

async function storeFile(
  { blobs, createHasher }: PublishDeps,
  { key, uploadId, owner, room }: Destination,
  { filename, content }: Part,
): Promise<Received> {
  if (!filename) throw wrong('file', 'must be a file with a name');
  const name = filename.slice(filename.search(/[^/\\]*$/)).slice(0, MAX_FILENAME);
  if (name === '' || !name.isWellFormed() || name.includes('\0'))
    throw wrong('file', 'must have a name that is text');
  const hasher = createHasher();
  const part = new Uint8Array(PART_SIZE);
  let [filled, size, number] = [0, 0, 0];
  for await (const chunk of content) {
    size += chunk.length;
    if (size > MAX_FILE_SIZE) {
      throw new ApiError('too_large', `file is larger than ${MAX_FILE_SIZE} bytes.`, { field: 'file' });
    }
    if (size > room) throw noRoom(owner, room, size);
    hasher.update(chunk);
    for (let at = 0; at < chunk.length; ) {
      const taken = chunk.subarray(at, at + part.length - filled);
      part.set(taken, filled);
      filled += taken.length;
      at += taken.length;
      if (filled < part.length) continue;
      await blobs.putPart(key, uploadId, ++number, part);
      filled = 0;
    }
  }
  if (size === 0) throw wrong('file', 'is empty');
  if (filled > 0) await blobs.putPart(key, uploadId, ++number, part.subarray(0, filled));
  return { filename: name, size, sha256: hasher.digest() };
}

/** @throws ApiError not_found */
export async function ownFile(
  deps: Pick<PublishDeps, 'db'>,
  principal: Principal,
  id: string,
  field = 'file_id',
): Promise<UserFile> {
  const file = await findFile(deps.db, principal.userId, id);
  if (!file) throw new ApiError('not_found', `There is no file ${id}.`, { field });
  return file;
}

/** @throws ApiError not_found, conflict while a job or a task needs it */
export async function removeFile(deps: PublishDeps, principal: Principal, id: string): Promise<void> {
  await ownFile(deps, principal, id);
  const needing = await deleteFile(deps.db, id);
  if (needing) {
    throw new ApiError('conflict', `${needing} still needs ${id}: cancel it first, or wait.`, {
      field: 'file_id',
    });
  }
  await deps.blobs.remove(fileKey(id));
}
