/**
 * Bringing an adapter or a base in. A draft names its files by digest; the client uploads what is not there yet straight
 * to the object store; completing reads what arrived, checks all of it, and lists it in one transaction. Until then
 * nothing is visible, and a draft that is refused or abandoned leaves nothing behind but staged bytes, which expire.
 */
import { findAdapter, findSubmitted, isListedContent, type Version } from '../db/adapters.ts';
import { type Base, findBase, insertBase } from '../db/bases.ts';
import { type Draft, type DraftFile, findDraft, insertDraft, markCompleted } from '../db/drafts.ts';
import type { Database } from '../db/open.ts';
import { settle } from '../db/people.ts';
import { UPLOADS } from '../functions/object-keys.ts';
import { removeDraft, removeStaged } from '../functions/sweep.ts';
import { requireRole } from './access.ts';
import { type Principal, requireScope } from './auth.ts';
import { checkBase } from './check-base.ts';
import { type Content, readText } from './content.ts';
import { checkAdapterFiles, checkBaseFiles, type DeclaredFile } from './declared-files.ts';
import { ApiError } from './errors.ts';
import { requireRoom, takeRoom } from './room.ts';
import { type FileView, partSizeOf, receive, viewFile } from './staged-files.ts';
import { digestOf, keep, linesOf, type PublishDeps, publishVersion, refuseTaken } from './versions.ts';

/** A draft that is not completed by then is swept away with its bytes. */
export const DRAFT_HOURS = 24;

export interface DraftView {
  id: string;
  expiresAt: string;
  files: FileView[];
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
  checkBaseFiles(files);
  await refuseTaken(deps.db, 'base', `${target.owner}/${target.name}`);
  return startDraft(
    deps,
    principal,
    { kind: 'base', target: `${target.owner}/${target.name}`, baseId: null },
    files,
  );
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
  const owner = draft.target.split('/')[0]!;
  if (draft.kind !== 'base') await requireRoom(deps, owner, sent); // before anything is begun
  const rows = await Promise.all(
    files.map(async ({ path, size, sha256 }, i) => {
      if (isPresent[i]) return { path, size, sha256, upload: null };
      const key = `${UPLOADS}${id}/${path}`;
      const upload = { key, uploadId: await deps.blobs.startUpload(key), partSize: partSizeOf(size) };
      return { path, size, sha256, upload };
    }),
  );
  const expiresAt = new Date(deps.now().getTime() + DRAFT_HOURS * 3_600_000);
  const begun = { id, ...draft, createdBy: principal.userId, expiresAt };
  const insert = (db: Database) => insertDraft(db, begun, rows);
  try {
    await (draft.kind === 'base' ? insert(deps.db) : takeRoom(deps, owner, sent, insert));
  } catch (error) {
    if (error instanceof ApiError) await removeStaged(deps, rows);
    throw error;
  }
  return viewDraft(deps, principal, id);
}

/** Which parts have arrived, with fresh URLs for the others. */
export async function viewDraft(deps: PublishDeps, principal: Principal, id: string): Promise<DraftView> {
  const { draft, files } = await ownDraft(deps.db, principal, id);
  return {
    id,
    expiresAt: draft.expiresAt.toISOString(),
    files: await Promise.all(files.map((file) => viewFile(deps.blobs, file))),
  };
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
