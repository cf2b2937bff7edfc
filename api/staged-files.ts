/** Files on their way in: parts that clients send straight to the object store, until all are there and are what was declared. */
import { type DraftFile, replaceUpload } from '../db/drafts.ts';
import { blobKey } from '../functions/object-keys.ts';
import type { BlobStore } from './blob-store.ts';
import { type Content, hashOf, scanOf } from './content.ts';
import { ApiError } from './errors.ts';
import type { PublishDeps } from './versions.ts';

const MIB = 2 ** 20;
/** S3's smallest part is 5 MiB; 8 keeps retries cheap, and larger files get larger parts. */
export const PART_SIZE = 8 * MIB;
/** S3's limit on parts of one upload. */
export const MAX_PARTS = 10_000;

export interface FileView {
  path: string;
  size: number;
  /** `present`: nothing to send. */
  status: 'present' | 'upload';
  partSize?: number;
  parts?: { number: number; size: number; done: boolean; url?: string }[];
}

export const partSizeOf = (size: number): number =>
  Math.max(PART_SIZE, Math.ceil(size / MAX_PARTS / MIB) * MIB);

export async function viewFile(
  blobs: BlobStore,
  file: Pick<DraftFile, 'path' | 'size' | 'upload'>,
): Promise<FileView> {
  const { path, size, upload } = file;
  if (!upload) return { path, size, status: 'present' };
  const arrived = await blobs.uploadedParts(upload.key, upload.uploadId);
  const parts = await Promise.all(
    partsOf(size, upload.partSize).map(async (part) => {
      // No such upload any more: it was joined already, so every part is there.
      const done =
        !arrived || arrived.some((other) => other.number === part.number && other.size === part.size);
      return done
        ? { ...part, done }
        : { ...part, done, url: await blobs.partUrl(upload.key, upload.uploadId, part.number) };
    }),
  );
  return { path, size, status: 'upload', partSize: upload.partSize, parts };
}

export function partsOf(size: number, partSize: number): { number: number; size: number }[] {
  const count = Math.ceil(size / partSize);
  return Array.from({ length: count }, (_, i) => ({
    number: i + 1,
    size: Math.min(partSize, size - i * partSize),
  }));
}

/** @returns how many; of an upload that is over, none */
export async function missingParts(
  blobs: BlobStore,
  size: number,
  { key, uploadId, partSize }: NonNullable<DraftFile['upload']>,
): Promise<number> {
  const arrived = await blobs.uploadedParts(key, uploadId);
  return partsOf(size, partSize).filter(
    (part) => arrived && !arrived.some((other) => other.number === part.number && other.size === part.size),
  ).length;
}

/**
 * Makes one object of parts that have all arrived. A store that dies meanwhile may have neither them nor the object when it is back:
 * then another upload begins.
 * @param replace notes the other one, unless somebody else was faster @returns bytes of the object; undefined: all is to be sent again
 */
export async function joinParts(
  blobs: BlobStore,
  { key, uploadId }: Pick<NonNullable<DraftFile['upload']>, 'key' | 'uploadId'>,
  replace: (uploadId: string) => Promise<boolean>,
): Promise<number | undefined> {
  await blobs.finishUpload(key, uploadId);
  const stored = await blobs.size(key);
  if (stored !== undefined) return stored;
  const another = await blobs.startUpload(key);
  if (!(await replace(another))) await blobs.abortUpload(key, another);
  return undefined;
}

/** The staged bytes of a file, once they are all there and are what was declared. */
export async function receive(deps: PublishDeps, file: DraftFile): Promise<Content> {
  const { path, size, sha256, upload } = file;
  const content = (key: string): Content => ({ path, size, sha256, key, store: deps.blobs });
  if (!upload) return content(blobKey(sha256));
  const missing = await missingParts(deps.blobs, size, upload);
  if (missing > 0) throw incomplete(path, missing);
  const replace = (uploadId: string) => replaceUpload(deps.db, file.draftId, upload, { ...upload, uploadId });
  const stored = await joinParts(deps.blobs, upload, replace);
  if (stored === undefined) throw incomplete(path, partsOf(size, upload.partSize).length);
  if (stored !== size) throw mismatch(path, 'size_mismatch', `is ${stored} bytes; ${size} were declared`);
  const scan = path === 'adapter_model.safetensors' ? await scanOf(content(upload.key)) : undefined;
  const actual = await hashOf(await deps.blobs.read(upload.key), deps.createHasher(), scan);
  if (actual !== sha256)
    throw mismatch(path, 'checksum_mismatch', `has the sha256 ${actual}; ${sha256} was declared`);
  return { ...content(upload.key), scan };
}

const incomplete = (path: string, missing: number) =>
  new ApiError(
    'conflict',
    `${path}: ${missing} of its parts have not arrived; GET the draft for their URLs.`,
    {
      field: path,
    },
  );

function mismatch(path: string, code: string, what: string): ApiError {
  const detail = `${path} ${what}. Start again: this upload is spoilt.`;
  return new ApiError('refused', detail, { field: path, problems: [{ code, detail, field: path }] });
}
