/** From checked content to a version that the publish gate looks at: the last step of every way into the catalog. */

import { parseBaseConfig } from '../adapter/base-config.ts';
import { checkAdapter } from '../adapter/check.ts';
import { parseStrictJson } from '../adapter/json.ts';
import { ownerName } from '../adapter/reference.ts';
import {
  type AdapterFacts,
  findAdapter,
  submitVersion,
  type Version,
  VersionConflict,
} from '../db/adapters.ts';
import { type Base, findBase, type StoredFile } from '../db/bases.ts';
import { announceBlobs, ContentGone } from '../db/blobs.ts';
import { labelsOf } from '../db/catalog-labels.ts';
import type { Draft } from '../db/drafts.ts';
import type { Database } from '../db/open.ts';
import { isCounted } from '../db/storage.ts';
import { blobKey, UPLOADS } from '../functions/object-keys.ts';
import { RULES } from '../functions/verify.ts';
import { count } from '../observe/metrics.ts';
import { inSpan } from '../observe/trace.ts';
import type { Principal } from './auth.ts';
import type { BlobStore } from './blob-store.ts';
import { CardError, readCard } from './card.ts';
import {
  type Content,
  type CreateHasher,
  checkStorable,
  readHeaderOf,
  readText,
  scanWeights,
} from './content.ts';
import { ApiError, asApiError, type Problem, refusedFor } from './errors.ts';
import { requireRoom, takeRoom } from './room.ts';

export interface PublishDeps {
  readonly db: Database;
  readonly blobs: BlobStore;
  readonly createHasher: CreateHasher;
  readonly now: () => Date;
  /** Bytes that may be stored under one name; undefined: no limit. */
  readonly storageQuota?: number | undefined;
  /** Aborted when the server begins to stop: it should not wait for others then. */
  readonly stopping?: AbortSignal | undefined;
}

/** What a version becomes one of, and where it comes from. */
export type Origin = Pick<Draft, 'target' | 'lineage' | 'receipt'> & {
  readonly baseId: string;
  /** The version that this one was made from (0: none): if another has come between, it is a conflict. */
  readonly after?: number;
  /** What it is committed to; absent: `main`. */
  readonly branch?: string | undefined;
};

/** Bases and adapters are asked for by the same names, so one name is one of them. */
export async function refuseTaken(db: Database, kind: Draft['kind'], id: string): Promise<void> {
  const other = kind === 'adapter' ? await findBase(db, id) : await findAdapter(db, id);
  if (!other) return;
  const what = kind === 'adapter' ? 'a base model' : 'an adapter';
  throw new ApiError('conflict', `${id} is ${what} already: choose another name.`, { field: 'name' });
}

/**
 * Checks all of an adapter's content and submits it as a version, in one transaction; the same content is the same version.
 * @throws ApiError refused with every reason, conflict, gone
 */
export async function publishVersion(
  deps: PublishDeps,
  principal: Principal,
  draft: Origin,
  contents: ReadonlyMap<string, Content>,
): Promise<{ version: Version; created: boolean }> {
  try {
    const published = await inSpan('check and submit', {}, () =>
      checkAndSubmit(deps, principal, draft, contents),
    );
    count('patchbay_publishes_total', 1, { outcome: published.created ? 'submitted' : 'unchanged' });
    return published;
  } catch (error) {
    const isRefusal = error instanceof ApiError && error.status < 500;
    count('patchbay_publishes_total', 1, { outcome: isRefusal ? 'refused' : 'failed' });
    throw error;
  }
}

async function checkAndSubmit(
  deps: PublishDeps,
  principal: Principal,
  draft: Origin,
  contents: ReadonlyMap<string, Content>,
): Promise<{ version: Version; created: boolean }> {
  await refuseTaken(deps.db, 'adapter', draft.target);
  const base = await findBase(deps.db, draft.baseId);
  if (!base) throw new ApiError('gone', `The base ${draft.baseId} is no longer there.`);
  const { config, shape, card } = await checkContents(contents, base);

  const digest = await digestOf(deps, [base.digest, ...linesOf(contents)]);
  // The same content is the same version; what is staged was counted when it was sent.
  const { owner } = ownerAndName(draft.target);
  const more = (await isCounted(deps.db, draft.target, digest)) ? 0 : sizeOfUnstaged(contents);
  await requireRoom(deps, owner, more); // before anything is put in place
  const files = await keep(deps, contents);
  const version = {
    adapterId: draft.target,
    baseId: base.id,
    rank: shape.maxRank,
    parameters: shape.parameters,
    size: files.reduce((sum, file) => sum + file.size, 0),
    digest,
    config,
    card,
    targetModules: [...shape.targetModules],
    lineage: draft.lineage,
    receipt: draft.receipt,
    branch: draft.branch ?? null,
    parent: draft.branch === undefined ? null : (draft.after ?? null),
    createdBy: principal.userId,
    createdAt: deps.now(),
  };
  const conditions = { rules: RULES, after: draft.after };
  return takeRoom(deps, owner, more, (db) =>
    submitVersion(db, adapterFacts(version), version, files, conditions),
  ).catch((error: Error) => {
    const isConflict = error instanceof VersionConflict || error instanceof ContentGone;
    throw isConflict ? new ApiError('conflict', error.message) : error;
  });
}

const sizeOfUnstaged = (contents: ReadonlyMap<string, Content>) =>
  [...contents.values()].reduce((sum, { key, size }) => (key.startsWith(UPLOADS) ? sum : sum + size), 0);

/** What the catalog repeats of an adapter's latest version. */
export function adapterFacts(
  version: Pick<Version, 'adapterId' | 'baseId' | 'rank' | 'parameters' | 'size' | 'card'> &
    Partial<Pick<Version, 'evalGain' | 'evaluation' | 'evaluatedOn'>>,
): AdapterFacts {
  const { adapterId, baseId, rank, parameters, size, evalGain = null, evaluation = null } = version;
  const facts = {
    ...ownerAndName(adapterId),
    ...catalogFacts(version),
    id: adapterId,
    baseId,
    rank,
    parameters,
    size,
    evalGain,
    evaluation,
  };
  const names = [adapterId, adapterId.replace(/[/_.-]/g, ' '), facts.title];
  const all = [...names.slice(1), facts.summary, facts.task, ...facts.tags];
  return {
    ...facts,
    namesText: names.join(' '),
    searchText: all.filter(Boolean).join(' '),
    labels: labelsOf(facts, version.evaluatedOn ?? undefined),
  };
}

/** What its card says of a version. */
export function catalogFacts({ adapterId, card }: Pick<Version, 'adapterId' | 'card'>) {
  const { title, summary, task, license, languages, tags } = readCard(card);
  return {
    title: title ?? ownerAndName(adapterId).name,
    summary: summary ?? '',
    task: task ?? null,
    license: license ?? null,
    languages: [...languages],
    tags: [...tags],
  };
}

/** @throws ApiError refused, with every reason of every file */
async function checkContents(contents: ReadonlyMap<string, Content>, base: Base) {
  const problems: Problem[] = [];
  const attempt = async <T>(body: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await body();
    } catch (error) {
      const { code, problems: found } = asApiError(error);
      if (code !== 'refused') throw error;
      problems.push(...found);
      return undefined;
    }
  };
  const checked = await attempt(() => checkTensors(contents, base));
  const card = await attempt(() => cardOf(contents.get('README.md')));
  if (!checked || card === undefined) throw refusedFor(problems);
  return { ...checked, card };
}

async function checkTensors(contents: ReadonlyMap<string, Content>, { id, config }: Base) {
  const configFile = contents.get('adapter_config.json')!;
  const weights = contents.get('adapter_model.safetensors')!;
  const checked = await checkAdapter(
    {
      readConfig: async () => parseStrictJson(await readText(configFile), configFile.path),
      readHeader: () => readHeaderOf(weights),
      scan: (header) => scanWeights(weights, header),
    },
    { id, config: parseBaseConfig(config) },
  );
  checkStorable(configFile.path, checked.config);
  return checked;
}

/** @throws ApiError refused: it says nothing sensible */
async function cardOf(file: Content | undefined): Promise<string> {
  const card = file ? await readText(file) : '';
  try {
    readCard(card);
    return card;
  } catch (error) {
    if (!(error instanceof CardError)) throw error;
    const problems = error.reasons.map((detail) => ({ code: 'card_invalid', detail, field: 'README.md' }));
    throw refusedFor(problems);
  }
}

/** Moves checked content to where it stays; what is in the object store is copied inside it. Announced first (db/blobs.ts). */
export async function keep(deps: PublishDeps, contents: ReadonlyMap<string, Content>): Promise<StoredFile[]> {
  const files = inOrder(contents);
  await announceBlobs(deps.db, files, deps.now());
  for (const { key, bytes, sha256 } of files) {
    if (bytes) await deps.blobs.put(blobKey(sha256), bytes);
    else if (key !== blobKey(sha256)) await deps.blobs.copy(key, blobKey(sha256));
  }
  return files.map(({ path, sha256, size }) => ({ path, sha256, size }));
}

const inOrder = (contents: ReadonlyMap<string, Content>) =>
  [...contents.values()].sort((a, b) => (a.path < b.path ? -1 : 1));

/** What the digest of a version, or of a base, is made over. */
export const linesOf = (contents: ReadonlyMap<string, Content>) =>
  inOrder(contents).map(({ path, sha256 }) => `${path} ${sha256}`);

export async function digestOf(deps: PublishDeps, lines: readonly string[]): Promise<string> {
  const hasher = deps.createHasher();
  hasher.update(new TextEncoder().encode(lines.join('\n')));
  return hasher.digest();
}

function ownerAndName(target: string): { owner: string; name: string } {
  const [owner, name] = target.split('/');
  return { owner: ownerName.parse(owner), name: ownerName.parse(name) };
}
