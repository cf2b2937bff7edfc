/** What a client shall do with each file, told before it sends any: `preupload`. */
import { z } from 'zod';
import type { StoredFile } from '../../db/bases.ts';
import { ADAPTER_FILES } from '../declared-files.ts';
import { ApiError } from '../errors.ts';
import { bytesOfBase64 } from './commit-payload.ts';
import { type GitObjects, isLfs } from './git-objects.ts';

/** Up to here files come inside the commit; above it by git-lfs, or by Xet where Python's client has it. */
const MAX_INLINE = 5 * 2 ** 20;
/** Of all of a commit's, where requests may have a few megabytes only: it is base64, and in Lambda base64 of that. */
const SMALL_COMMIT = 2.5 * 2 ** 20;

/** What training tools leave beside an adapter, and the base has already. */
const NOT_KEPT =
  /^(\.git(attributes|ignore)|tokenizer[\w.]*|special_tokens_map\.json|added_tokens\.json|vocab\.json|merges\.txt|chat_template\.jinja|generation_config\.json|trainer_state\.json|training_args\.bin)$/;

export const isNotKept = (path: string): boolean => NOT_KEPT.test(path);

export const Preupload = z.object({
  files: z
    .array(
      z.object({
        path: z.string().min(1).max(1000),
        size: z.int().nonnegative(),
        /** The first 512 bytes, as base64. */
        sample: z.base64().max(4096),
      }),
    )
    .max(256),
});

/**
 * @param stored what the latest version has
 * @param smallBodies whether requests may have a few megabytes only
 * @throws ApiError refused, for what is no adapter's
 */
export async function planUpload(
  { files }: z.infer<typeof Preupload>,
  stored: readonly StoredFile[],
  objects: GitObjects,
  smallBodies: boolean,
) {
  const kept = files.filter(({ path }) => !isNotKept(path));
  for (const { path, sample } of kept) refuseUnknown(path, bytesOfBase64(sample));
  const inline = smallBodies ? smallest(kept) : files.filter(({ size }) => size <= MAX_INLINE);
  const plan = files.map(async (file) => {
    const { path } = file;
    const uploadMode = inline.includes(file) ? 'regular' : 'lfs';
    const there = stored.find((file) => file.path === path);
    // A client compares it with its own file, and does not send what is the same.
    const oid = there && uploadMode === 'regular' && !isLfs(there) ? await objects.oid(there) : undefined;
    return { path, uploadMode, shouldIgnore: isNotKept(path), ...(oid ? { oid } : {}) };
  });
  return { files: await Promise.all(plan) };
}

/** As many as a small commit holds. */
function smallest<T extends { readonly size: number }>(files: readonly T[]): T[] {
  let left = SMALL_COMMIT;
  return files.toSorted((a, b) => a.size - b.size).filter(({ size }) => (left -= size) >= 0);
}

/** @throws ApiError refused */
export function refuseUnknown(path: string, start: Uint8Array): void {
  const pickled = isPickle(start);
  if (path in ADAPTER_FILES && !pickled) return;
  const detail = pickled
    ? `${path} is a pickle, which can run code when it is opened: save the adapter with safe_serialization=True, and leave this file out (ignore_patterns).`
    : `${path} does not belong to an adapter; known files are ${Object.keys(ADAPTER_FILES).join(', ')}. Leave it out (ignore_patterns).`;
  throw new ApiError('refused', detail, {
    field: path,
    problems: [{ code: 'file_unknown', detail, field: path }],
  });
}

/** A pickle of protocol 2 or later, or the zip archive that PyTorch puts one into. */
function isPickle(start: Uint8Array): boolean {
  const [first, second, third, fourth] = start;
  const zip = first === 0x50 && second === 0x4b && third === 3 && fourth === 4;
  return zip || (first === 0x80 && second !== undefined && second >= 2 && second <= 5);
}
