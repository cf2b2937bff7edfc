/** Files that users upload: streamed into the object store part by part, hashed on the way, never held whole. */

import { deleteFile, findFile, finishFile, insertFile, type UserFile } from '../db/files.ts';
import { fileKey } from '../functions/object-keys.ts';
import { removeAbandoned } from '../functions/sweep.ts';
import type { Principal } from './auth.ts';
import { isStorable } from './content.ts';
import { ApiError } from './errors.ts';
import type { Part } from './multipart.ts';
import { noRoom, roomOf, takeRoom } from './room.ts';
import { type Stored, storeStream } from './store-stream.ts';
import type { PublishDeps } from './versions.ts';

/** OpenAI's limit. */
export const MAX_FILE_SIZE = 512 * 2 ** 20;
/** What Patchbay does with files; OpenAI's other purposes belong to services that are not here. */
export const PURPOSE = 'fine-tune';
const MAX_FIELD_SIZE = 1024;
const MAX_FILENAME = 255;

/** What a file is, once all of it has come. */
export type FileFacts = Stored & Pick<UserFile, 'filename' | 'purpose'>;

/** Takes the fields `file` and `purpose`, in any order. @throws ApiError naming the field; then nothing is kept */
export async function receiveFile(
  deps: PublishDeps,
  { owner, userId }: Principal,
  parts: AsyncGenerator<Part>,
): Promise<UserFile> {
  const room = await roomOf(deps, owner);
  const check = (size: number) => {
    requireFileSize(size, 'file');
    if (size > room) throw noRoom(owner, room, size);
  };
  return keepFile(
    deps,
    userId,
    (to) => readForm(parts, (content) => storeStream(deps, to, content, check)),
    // Asked again, because others may have come meanwhile.
    (id, facts) => takeRoom(deps, owner, facts.size, (tx) => finishFile(tx, id, facts)),
  );
}

/**
 * A file has a row before it has bytes, so that what breaks off is found again.
 * @param receive sends the bytes into the object store's upload. @param finish writes down that they are there
 * @throws what these throw; then nothing is kept
 */
export async function keepFile(
  deps: PublishDeps,
  userId: string,
  receive: (to: { key: string; uploadId: string }) => Promise<FileFacts>,
  finish: (id: string, facts: FileFacts) => Promise<UserFile>,
): Promise<UserFile> {
  const id = `file-${crypto.randomUUID()}`;
  const key = fileKey(id);
  const uploadId = await deps.blobs.startUpload(key);
  await insertFile(deps.db, { id, userId, filename: '', purpose: '', uploadId, createdAt: deps.now() });
  try {
    const facts = await receive({ key, uploadId });
    await deps.blobs.finishUpload(key, uploadId);
    return await finish(id, facts);
  } catch (error) {
    await removeAbandoned(deps, { id, uploadId });
    throw error;
  }
}

async function readForm(
  parts: AsyncGenerator<Part>,
  store: (content: Part['content']) => Promise<Stored>,
): Promise<FileFacts> {
  let file: (Stored & { filename: string }) | undefined;
  let purpose: string | undefined;
  for await (const part of parts) {
    if (part.name === 'purpose') purpose = await readField(part);
    else if (part.name === 'file' && file) throw wrong('file', 'is there twice; send one file at a time');
    else if (part.name === 'file') {
      if (!part.filename) throw wrong('file', 'must be a file with a name');
      const filename = asFilename(part.filename, 'file');
      file = { filename, ...(await store(part.content)) };
      if (file.size === 0) throw wrong('file', 'is empty');
    } else if (/^expires_after/.test(part.name))
      throw wrong('expires_after', 'is not supported; leave it out');
  }
  if (!file) throw wrong('file', 'is missing');
  return { ...file, purpose: asPurpose(purpose) };
}

export const wrong = (field: string, what: string) =>
  new ApiError('invalid_request', `${field} ${what}.`, { field });

/** @throws ApiError */
export function asPurpose(purpose: string | undefined): string {
  if (purpose !== PURPOSE) throw wrong('purpose', `must be \`${PURPOSE}\``);
  return purpose;
}

/** The last of a path, as some clients send one. @throws ApiError */
export function asFilename(path: string, field: string): string {
  const name = path.slice(path.search(/[^/\\]*$/)).slice(0, MAX_FILENAME);
  if (name === '' || !isStorable(name)) throw wrong(field, 'must have a name that is text');
  return name;
}

/** @throws ApiError too_large */
export function requireFileSize(size: number, field: string): void {
  if (size > MAX_FILE_SIZE)
    throw new ApiError('too_large', `${field} is larger than ${MAX_FILE_SIZE} bytes.`, { field });
}

async function readField({ name, content }: Part): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of content) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MAX_FIELD_SIZE) throw wrong(name, 'is too long');
  }
  return text + decoder.decode();
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
