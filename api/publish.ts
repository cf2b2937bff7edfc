/**
 * Bringing an adapter or a base in. A draft names its files by digest; the client uploads what is not there yet straight
 * to the object store; completing reads what arrived, checks all of it, and lists it in one transaction. Until then
 * nothing is visible, and a draft that is refused or abandoned leaves nothing behind but staged bytes, which expire.
 */
import { z } from 'zod';
import { findAdapter, findSubmitted, isListedContent, type Version } from '../db/adapters.ts';
import { type Base, findBase, insertBase } from '../db/bases.ts';
import {
  type Draft,
  type DraftFile,
  findDraft,
  insertDraft,
  markCompleted,
  replaceUpload,
} from '../db/drafts.ts';
import type { Database } from '../db/open.ts';
import { settle } from '../db/people.ts';
import { blobKey, UPLOADS } from '../functions/object-keys.ts';
import { removeDraft, removeStaged } from '../functions/sweep.ts';
import { requireRole } from './access.ts';
import { type Principal, requireScope } from './auth.ts';
import type { BlobStore } from './blob-store.ts';
import { checkBase } from './check-base.ts';
import { type Content, hashOf, readText, scanOf } from './content.ts';
import { ApiError } from './errors.ts';
import { requireRoom } from './room.ts';
import { digestOf, keep, linesOf, type PublishDeps, publishVersion, refuseTaken } from './versions.ts';

const MIB = 2 ** 20;
/** A draft that is not completed by then is swept away with its bytes. */
export const DRAFT_HOURS = 24;
/** S3's smallest part is 5 MiB; 8 keeps retries cheap, and larger files get larger parts. */
export const PART_SIZE = 8 * MIB;
/** S3's limit on parts of one upload. */
export const MAX_PARTS = 10_000;

/** What an adapter consists of, and how large each may be. */
export const ADAPTER_FILES: Readonly<
  Record<string, { readonly required: boolean; readonly maxSize: number }>
> = {
  'adapter_config.json': { required: true, maxSize: 256 * 1024 },
  'adapter_model.safetensors': { required: true, maxSize: 4096 * MIB },
  'README.md': { required: false, maxSize: MIB },
  LICENSE: { required: false, maxSize: MIB },
  'eval.jsonl': { required: false, maxSize: 16 * MIB },
};

const BASE_JSON_SIZE = 32 * MIB;
/** A base's safetensors files may have any name; these are the others. */
export const BASE_FILES: Readonly<Record<string, { readonly required: boolean; readonly maxSize: number }>> =
  {
    'config.json': { required: true, maxSize: MIB },
    'tokenizer.json': { required: true, maxSize: BASE_JSON_SIZE },
    'tokenizer_config.json': { required: true, maxSize: 4 * MIB },
    'generation_config.json': { required: false, maxSize: MIB },
    'special_tokens_map.json': { required: false, maxSize: MIB },
    'chat_template.jinja': { required: false, maxSize: MIB },
    'model.safetensors.index.json': { required: false, maxSize: BASE_JSON_SIZE },
    'README.md': { required: false, maxSize: MIB },
    LICENSE: { required: false, maxSize: MIB },
    'eval.jsonl': { required: false, maxSize: 16 * MIB },
  };
/** S3 copies at most this much in one piece; larger checkpoints come in several shards. */
const MAX_SHARD_SIZE = 5 * 1024 * MIB;

export const DeclaredFile = z.object({
  path: z
    .string()
    .regex(/^[A-Za-z0-9][\w.-]{0,254}$/, 'must be a file name of letters, digits, `.`, `_` and `-`'),
  size: z.int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be a lower-case hexadecimal sha256'),
});
export type DeclaredFile = z.infer<typeof DeclaredFile>;

export interface DraftView {
  id: string;
  expiresAt: string;
  files: FileView[];
}

interface FileView {
  path: string;
  size: number;
  /** `present`: nothing to send. */
  status: 'present' | 'upload';
  partSize?: number;
  parts?: { number: number; size: number; done: boolean; url?: string }[];
}

/** @param training what the version will say of how it was made */
export async function startAdapterDraft(
  deps: PublishDeps,
  principal: Principal,
  target: { owner: string; name: string },
  base: string,
  files: readonly DeclaredFile[],
  training?: Pick<Draft, 'lineage' | 'receipt'>,
): Promise<DraftView> {
  requireRole(principal, `${target.owner}/${target.name}`, 'write');
  checkAdapterFiles(files);
  if (!(await findBase(deps.db, base))) {
    throw new ApiError('not_found', `There is no base model ${base}; GET /api/bases lists those there are.`, {
      field: 'base',
    });
  }
  await refuseTaken(deps.db, 'adapter', `${target.owner}/${target.name}`);
  return startDraft(
    deps,
    principal,
    { kind: 'adapter', target: `${target.owner}/${target.name}`, baseId: base, ...training },
    files,
  );
}

/**
 * For whoever may publish. What changes an adapter that is there, or opens one, is for a key that manages.
 * @param id owner/name. @throws ApiError conflict: it is there, and public
 */
export async function beginPrivate(
  { db }: Pick<PublishDeps, 'db'>,
  principal: Principal,
  id: string,
): Promise<void> {
  requireRole(principal, id, 'write');
  const there = await findAdapter(db, id);
  if (!there) await settle(db, id, { visibility: 'private' }, principal.userId);
  else if (there.visibility !== 'private')
    throw new ApiError(
      'conflict',
      `${id} is there and public: make it private with PATCH /api/adapters/${id}, which takes the scope \`manage\`.`,
      { field: 'visibility' },
    );
}

export async function startBaseDraft(
  deps: PublishDeps,
  principal: Principal,
  target: { owner: string; name: string },
  files: readonly DeclaredFile[],
): Promise<DraftView> {
  checkFiles(files, BASE_FILES, (path) => (path.endsWith('.safetensors') ? MAX_SHARD_SIZE : undefined));
  if (!files.some(({ path }) => path.endsWith('.safetensors'))) {
    throw new ApiError('invalid_request', 'files: a base needs at least one .safetensors file.', {
      field: 'files',
    });
  }
  await refuseTaken(deps.db, 'base', `${target.owner}/${target.name}`);
  return startDraft(
    deps,
    principal,
    { kind: 'base', target: `${target.owner}/${target.name}`, baseId: null },
    files,
  );
}

/** @throws ApiError invalid_request, too_large */
export function checkAdapterFiles(files: readonly Pick<DeclaredFile, 'path' | 'size'>[]): void {
  checkFiles(files, ADAPTER_FILES, () => undefined);
}

function checkFiles(
  files: readonly Pick<DeclaredFile, 'path' | 'size'>[],
  known: typeof ADAPTER_FILES,
  otherLimit: (path: string) => number | undefined,
): void {
  const problem = (detail: string) => new ApiError('invalid_request', `files: ${detail}`, { field: 'files' });
  const paths = new Set<string>();
  for (const { path, size } of files) {
    if (paths.has(path)) throw problem(`${path} is there twice`);
    paths.add(path);
    const limit = known[path]?.maxSize ?? otherLimit(path);
    if (limit === undefined)
      throw problem(`${path} does not belong here; known files are ${Object.keys(known).join(', ')}`);
    if (size > limit)
      throw new ApiError('too_large', `files: ${path} is ${size} bytes; the limit is ${limit}`, {
        field: 'files',
      });
  }
  for (const [path, { required }] of Object.entries(known)) {
    if (required && !paths.has(path)) throw problem(`${path} is missing`);
  }
}

export async function startDraft(
  deps: PublishDeps,
  principal: Principal,
  draft: Pick<Draft, 'kind' | 'target' | 'baseId'> & Partial<Pick<Draft, 'lineage' | 'receipt'>>,
  files: readonly DeclaredFile[],
): Promise<DraftView> {
  const id = crypto.randomUUID();
  // Only content that everybody may read counts as present: else asking would tell who has a private file.
  const isPresent = await Promise.all(files.map(({ sha256 }) => isListedContent(deps.db, sha256)));
  const sent = files.reduce((sum, { size }, i) => (isPresent[i] ? sum : sum + size), 0);
  if (draft.kind !== 'base') await requireRoom(deps, draft.target.split('/')[0]!, sent);
  const rows = await Promise.all(
    files.map(async ({ path, size, sha256 }, i) => {
      if (isPresent[i]) return { path, size, sha256, upload: null };
      const key = `${UPLOADS}${id}/${path}`;
      const upload = { key, uploadId: await deps.blobs.startUpload(key), partSize: partSizeOf(size) };
      return { path, size, sha256, upload };
    }),
  );
  const expiresAt = new Date(deps.now().getTime() + DRAFT_HOURS * 3_600_000);
  await insertDraft(deps.db, { id, ...draft, createdBy: principal.userId, expiresAt }, rows);
  return viewDraft(deps, principal, id);
}

export const partSizeOf = (size: number): number =>
  Math.max(PART_SIZE, Math.ceil(size / MAX_PARTS / MIB) * MIB);

/** Which parts have arrived, with fresh URLs for the others. */
export async function viewDraft(deps: PublishDeps, principal: Principal, id: string): Promise<DraftView> {
  const { draft, files } = await ownDraft(deps.db, principal, id);
  return {
    id,
    expiresAt: draft.expiresAt.toISOString(),
    files: await Promise.all(files.map((file) => viewFile(deps.blobs, file))),
  };
}

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

export async function discardDraft(deps: PublishDeps, principal: Principal, id: string): Promise<void> {
  const { files } = await ownDraft(deps.db, principal, id);
  await removeDraft(deps, id, files);
}

export type Completed =
  | { kind: 'adapter'; version: Version; created: boolean }
  | { kind: 'base'; base: Base };

/**
 * Checks everything; a base is listed, an adapter submitted to the publish gate. Safe to call again, or twice at once, or after a crash: the digests decide what is the
 * same, and a draft that was completed keeps its answer until it expires.
 * @throws ApiError conflict (parts missing, or lost by the store), refused (with every reason), not_found
 */
export async function completeDraft(deps: PublishDeps, principal: Principal, id: string): Promise<Completed> {
  const { draft, files } = await ownDraft(deps.db, principal, id);
  const before = await completedAs(deps.db, draft);
  if (before) return before;
  let completed: Completed;
  try {
    completed = await checkAndKeep(deps, principal, draft, files);
  } catch (error) {
    // Another call may have completed it meanwhile, and cleared away what this one was reading.
    const again = await findDraft(deps.db, id);
    const meanwhile = again && (await completedAs(deps.db, again.draft));
    if (meanwhile) return meanwhile;
    throw error;
  }
  await markCompleted(deps.db, id, {
    created: completed.kind === 'base' || completed.created,
    number: completed.kind === 'base' ? null : completed.version.number,
  });
  await removeStaged(deps, files);
  return completed;
}

/** What a draft became, where it was completed before. */
async function completedAs(db: Database, { kind, target, completed }: Draft): Promise<Completed | undefined> {
  if (!completed) return undefined;
  if (kind === 'base') {
    const base = await findBase(db, target);
    return base && { kind, base };
  }
  const version = await findSubmitted(db, target, completed.number!);
  return version && { kind: 'adapter', version, created: completed.created };
}

async function checkAndKeep(
  deps: PublishDeps,
  principal: Principal,
  draft: Draft,
  files: readonly DraftFile[],
): Promise<Completed> {
  const contents = new Map<string, Content>();
  for (const file of files) contents.set(file.path, await receive(deps, file));
  if (draft.kind === 'base') return completeBase(deps, principal, draft, contents);
  if (draft.kind === 'content')
    throw new ApiError('conflict', 'This upload becomes part of a version by a commit, not by itself.');
  const published = await publishVersion(deps, principal, { ...draft, baseId: draft.baseId! }, contents);
  return { kind: 'adapter', ...published };
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

/** The staged bytes of a file, once they are all there and are what was declared. */
export async function receive(deps: PublishDeps, file: DraftFile): Promise<Content> {
  const { path, size, sha256, upload } = file;
  const content = (key: string): Content => ({ path, size, sha256, key, store: deps.blobs });
  if (!upload) return content(blobKey(sha256));
  const missing = await missingParts(deps.blobs, size, upload);
  if (missing > 0) throw incomplete(path, missing);
  await deps.blobs.finishUpload(upload.key, upload.uploadId);
  const stored = await deps.blobs.size(upload.key);
  if (stored === undefined) {
    await startAgain(deps, file.draftId, upload);
    throw incomplete(path, partsOf(size, upload.partSize).length);
  }
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

/** A store that dies while it joins parts may have neither them nor the object when it is back. */
async function startAgain(
  { db, blobs }: PublishDeps,
  draftId: string,
  lost: NonNullable<DraftFile['upload']>,
): Promise<void> {
  const uploadId = await blobs.startUpload(lost.key);
  // Somebody else, who asked at the same time, may have done so.
  if (!(await replaceUpload(db, draftId, lost, { ...lost, uploadId })))
    await blobs.abortUpload(lost.key, uploadId);
}

function mismatch(path: string, code: string, what: string): ApiError {
  const detail = `${path} ${what}. Start again: this upload is spoilt.`;
  return new ApiError('refused', detail, { field: path, problems: [{ code, detail, field: path }] });
}

async function completeBase(
  deps: PublishDeps,
  principal: Principal,
  draft: Draft,
  contents: ReadonlyMap<string, Content>,
): Promise<Completed> {
  await refuseTaken(deps.db, 'base', draft.target);
  const { config, parameters } = await checkBase(contents);
  const card = contents.get('README.md');
  const text = card ? await readText(card) : '';
  const files = await keep(deps, contents);
  const digest = await digestOf(deps, linesOf(contents));
  const base = await insertBase(
    deps.db,
    {
      id: draft.target,
      digest,
      config,
      parameters,
      card: text,
      createdBy: principal.userId,
      createdAt: deps.now(),
    },
    files,
  );
  if (base.digest !== digest) {
    throw new ApiError(
      'conflict',
      `${base.id} is another checkpoint already, and a base never changes: import this one under another name.`,
    );
  }
  return { kind: 'base', base };
}

/**
 * A draft of somebody else is as good as none; and who began it may have lost the role since, or come with a key for another adapter.
 * @throws ApiError not_found, forbidden
 */
async function ownDraft(
  db: Database,
  principal: Principal,
  id: string,
): Promise<{ draft: Draft; files: DraftFile[] }> {
  const found = await findDraft(db, id);
  if (!found || (found.draft.createdBy !== principal.userId && !principal.scopes.has('admin'))) {
    throw new ApiError('not_found', `There is no draft ${id}: it was completed, discarded, or has expired.`);
  }
  if (found.draft.kind === 'base') requireScope(principal, 'admin');
  else requireRole(principal, found.draft.target, 'write');
  return found;
}
