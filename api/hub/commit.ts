/** Publishing by commits: the files of a branch's newest version with the changes applied are the next version. */

import { parseStrictJson } from '../../adapter/json.ts';
import { namedBase } from '../../adapter/peft-config.ts';
import { ownerName } from '../../adapter/reference.ts';
import { filesOfVersion, isListedContent, type Version } from '../../db/adapters.ts';
import { findBase, type StoredFile } from '../../db/bases.ts';
import { type ContentDraft, findContentDraft, listStaged } from '../../db/drafts.ts';
import { type AdapterWithVersions, findWithVersions } from '../../db/repositories.ts';
import { blobKey } from '../../functions/object-keys.ts';
import { removeDraft } from '../../functions/sweep.ts';
import { requireRole } from '../access.ts';
import type { Principal } from '../auth.ts';
import { type Content, contentInMemory, readText, refusedFile } from '../content.ts';
import { checkAdapterFiles } from '../declared-files.ts';
import { ApiError } from '../errors.ts';
import { receive } from '../staged-files.ts';
import { type PublishDeps, publishVersion } from '../versions.ts';
import type { Change, CommitPayload } from './commit-payload.ts';
import { HubNotFound } from './errors.ts';
import { commitOf, isMain } from './repositories.ts';
import { isNotKept, refuseUnknown } from './upload-plan.ts';
import { XORB_PREFIX } from './xet/formats.ts';

/** What commits are made to: an adapter that is there, or will be with its first commit. */
export interface Target {
  readonly id: string;
  readonly latest: Pick<Version, 'number' | 'digest'> | undefined;
  readonly files: readonly StoredFile[];
  /** Undefined: `main`. */
  readonly branch: string | undefined;
}

/** @throws ApiError forbidden, invalid_request, conflict (the name is a base's); HubNotFound (there is no such branch) */
export async function findTarget(
  { db }: PublishDeps,
  principal: Principal,
  { owner, name, revision = 'main' }: { owner: string; name: string; revision?: string | undefined },
): Promise<Target> {
  requireRole(principal, `${owner}/${name}`, 'write');
  const id = `${owner}/${name}`;
  for (const half of [owner, name]) {
    const checked = ownerName.safeParse(half);
    if (!checked.success)
      throw new ApiError('invalid_request', `${id}: ${half} ${checked.error.issues[0]!.message}`, {
        field: 'name',
      });
  }
  if (await findBase(db, id))
    throw new ApiError('conflict', `${id} is a base model, and a base never changes: choose another name.`, {
      field: 'name',
    });
  const found = await findWithVersions(db, id);
  const branch = isMain(revision) ? undefined : revision.replace(/^refs\/heads\//, '');
  const latest =
    branch === undefined
      ? found?.versions.find((one) => one.branch === null)
      : (tipOf(found, branch) ?? refuseRevision(id, branch));
  return { id, latest, files: latest ? await filesOfVersion(db, id, latest.number) : [], branch };
}

const tipOf = (found: AdapterWithVersions | undefined, branch: string) => {
  const ref = found?.refs.find(({ kind, name }) => kind === 'branch' && name === branch);
  return ref && found?.versions.find(({ number }) => number === ref.number);
};

function refuseRevision(id: string, branch: string): never {
  throw new HubNotFound(
    'RevisionNotFound',
    `${id} has no branch ${branch}: commits go to main, or to a branch.`,
  );
}

/** @throws ApiError conflict (somebody else's commit came between), refused, invalid_request, too_large */
export async function commit(
  deps: PublishDeps,
  principal: Principal,
  target: Target,
  { parent, changes }: CommitPayload,
): Promise<Version> {
  const { id, latest, branch } = target;
  if (parent !== undefined && (!latest || commitOf(latest.digest) !== parent))
    throw new ApiError('conflict', `${id} is no longer at ${parent}: fetch the latest commit and try again.`);
  const contents = await apply(deps, principal, target, changes);
  checkAdapterFiles([...contents.values()]);
  const baseId = await baseOf(deps, contents.get('adapter_config.json')!);
  const origin = { target: id, baseId, lineage: null, receipt: null, after: latest?.number ?? 0, branch };
  const { version, created } = await publishVersion(deps, principal, origin, contents);
  if (!created && branch === undefined && latest && version.number < latest.number)
    throw new ApiError(
      'conflict',
      `This is version ${version.number} of ${id} already; the latest is ${latest.number}.`,
    );
  await removeUploads(deps, principal, id, changes);
  return version;
}

/** The files after the changes. @throws ApiError refused, naming the file */
async function apply(deps: PublishDeps, principal: Principal, target: Target, changes: readonly Change[]) {
  const contents = new Map<string, Content>(
    target.files.map((file) => [file.path, { ...file, key: blobKey(file.sha256), store: deps.blobs }]),
  );
  for (const change of changes.filter(({ path }) => !isNotKept(path))) {
    const { path } = change;
    if (change.kind === 'delete') {
      if (!contents.delete(path))
        throw refusedFile(path, 'file_missing', 'is not there, so it cannot be deleted');
      continue;
    }
    refuseUnknown(path, change.kind === 'content' ? change.bytes : new Uint8Array(0));
    contents.set(
      path,
      change.kind === 'content' ? inline(deps, change) : await uploaded(deps, principal, target.id, change),
    );
  }
  return contents;
}

function inline(deps: PublishDeps, { path, bytes }: Extract<Change, { kind: 'content' }>): Content {
  const hasher = deps.createHasher();
  hasher.update(bytes);
  return contentInMemory(path, hasher.digest(), bytes);
}

async function uploaded(
  deps: PublishDeps,
  principal: Principal,
  target: string,
  { path, sha256 }: Extract<Change, { kind: 'lfs' }>,
): Promise<Content> {
  const found = await findContentDraft(deps.db, { userId: principal.userId, target, sha256 });
  if (found) return receiveOrDiscard(deps, found, path);
  const listed = (await isListedContent(deps.db, sha256))
    ? await deps.blobs.size(blobKey(sha256))
    : undefined;
  if (listed === undefined)
    throw refusedFile(
      path,
      'not_uploaded',
      `has the sha256 ${sha256}, which was not uploaded before the commit`,
    );
  return { path, sha256, size: listed, key: blobKey(sha256), store: deps.blobs };
}

/** What arrived spoilt is removed, so that it is asked for again. */
async function receiveOrDiscard(
  deps: PublishDeps,
  { draft, file }: ContentDraft,
  path: string,
): Promise<Content> {
  try {
    return await receive(deps, { ...file, path });
  } catch (error) {
    if (error instanceof ApiError && error.code === 'refused') await removeDraft(deps, draft.id, [file]);
    throw error;
  }
}

async function removeUploads(
  deps: PublishDeps,
  principal: Principal,
  target: string,
  changes: readonly Change[],
) {
  for (const change of changes) {
    if (change.kind !== 'lfs') continue;
    const { sha256 } = change;
    const found = await findContentDraft(deps.db, { userId: principal.userId, target, sha256 });
    if (found) await removeDraft(deps, found.draft.id, [found.file]);
  }
  const xorbs = { userId: principal.userId, target, prefix: XORB_PREFIX };
  for (const { draft, file } of await listStaged(deps.db, xorbs)) await removeDraft(deps, draft.id, [file]);
}

/** The base is what the adapter says it was made for. @throws ApiError refused */
async function baseOf({ db }: PublishDeps, file: Content): Promise<string> {
  const named = namedBase(parseStrictJson(await readText(file), file.path));
  const base = named === undefined ? undefined : await findBase(db, named);
  if (base) return base.id;
  throw refusedFile(
    file.path,
    'base_unknown',
    `names the base ${JSON.stringify(named ?? null)} in base_model_name_or_path, which is not here; GET /api/bases lists those there are`,
  );
}
