/** git-lfs: large files go straight to the object store, and a commit makes them part of a version. */
import { z } from 'zod';
import { isListedContent } from '../../db/adapters.ts';
import { type DraftFile, findContentDraft, findDraft } from '../../db/drafts.ts';
import type { Principal } from '../auth.ts';
import { ADAPTER_FILES } from '../declared-files.ts';
import { startDraft } from '../publish.ts';
import { partsOf } from '../staged-files.ts';
import type { PublishDeps } from '../versions.ts';

/** Protocol: github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md; `multipart` is Hugging Face's. */
export const LfsBatch = z.object({
  operation: z.literal('upload'),
  objects: z
    .array(
      z.object({
        oid: z.string().regex(/^[0-9a-f]{64}$/, 'must be a lower-case hexadecimal sha256'),
        size: z.int().positive(),
      }),
    )
    .min(1)
    .max(256),
  /** As Python's client spells it, and as JavaScript's does. */
  hash_algo: z.enum(['sha256', 'sha_256']).default('sha256'),
});
type LfsBatch = z.infer<typeof LfsBatch>;

/** Where bytes are going: one user's upload for one adapter. */
export interface Destination {
  readonly principal: Principal;
  readonly target: string;
  /** Clients say here that every part was sent. Nothing depends on it: the commit joins the parts, and looks. */
  readonly completionUrl: string;
}

const LARGEST = Math.max(...Object.values(ADAPTER_FILES).map(({ maxSize }) => maxSize));

export async function lfsBatch(deps: PublishDeps, to: Destination, { objects }: LfsBatch) {
  const answers = [];
  // One after another: each waits for room until those before it have theirs, and would hold a connection meanwhile.
  for (const object of objects) answers.push(await answerTo(deps, to, object));
  return { transfer: 'multipart', objects: answers };
}

async function answerTo(deps: PublishDeps, to: Destination, object: LfsBatch['objects'][number]) {
  if (object.size > LARGEST) {
    const message = `${object.size} bytes are more than a file of an adapter may have: ${LARGEST}.`;
    return { ...object, error: { code: 422, message } };
  }
  const upload = await uploadOf(deps, to, object);
  return { ...object, authenticated: true, ...(upload ? { actions: { upload } } : {}) };
}

/** @returns undefined: the content is here already */
async function uploadOf(deps: PublishDeps, to: Destination, object: LfsBatch['objects'][number]) {
  if (await isListedContent(deps.db, object.oid)) return undefined;
  const { size, upload } = await stagedFile(deps, to, object);
  if (!upload) return undefined;
  const parts = partsOf(size, upload.partSize);
  const arrived = await deps.blobs.uploadedParts(upload.key, upload.uploadId);
  if (!arrived || arrived.length === parts.length) return undefined;
  // All of them again, though some may have arrived: clients insist on a URL for each part.
  const urls = await Promise.all(
    parts.map(({ number }) => deps.blobs.partUrl(upload.key, upload.uploadId, number)),
  );
  if (urls.length === 1) return { href: urls[0]! };
  const numbered = Object.fromEntries(urls.map((url, i) => [String(i + 1), url]));
  return { href: to.completionUrl, header: { chunk_size: String(upload.partSize), ...numbered } };
}

/** The upload that was begun before, or a new one. */
async function stagedFile(
  deps: PublishDeps,
  { principal, target }: Destination,
  { oid: sha256, size }: LfsBatch['objects'][number],
): Promise<DraftFile> {
  const begun = await findContentDraft(deps.db, { userId: principal.userId, target, sha256 });
  if (begun && begun.file.size === size) return begun.file;
  const { id } = await startDraft(deps, principal, { kind: 'content', target, baseId: null }, [
    { path: sha256, size, sha256 },
  ]);
  return (await findDraft(deps.db, id))!.files[0]!;
}
