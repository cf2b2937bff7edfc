/**
 * Adapters and bases as Hugging Face's repositories: a version is a commit, `main` is the latest one, `v3` a tag, and publishers make
 * branches and tags of their own. A commit's name is the beginning of the version's digest, which covers its files and its base, so it
 * names that content for ever.
 */

import { LRUCache } from 'lru-cache';
import { ownerName } from '../../adapter/reference.ts';
import { type Adapter, filesOfVersion } from '../../db/adapters.ts';
import { filesOfBase, findBase, type StoredFile } from '../../db/bases.ts';
import type { Database } from '../../db/open.ts';
import type { Ref } from '../../db/refs.ts';
import { type AdapterWithVersions, findWithVersions } from '../../db/repositories.ts';
import { maySee, type Viewer } from '../access.ts';
import { HubDisabled, HubNotFound, noRepository } from './errors.ts';

const COMMIT_LENGTH = 40;
const MAIN = ['main', 'HEAD', 'refs/heads/main'];
export const isMain = (revision: string): boolean => MAIN.includes(revision);

export interface Commit {
  readonly id: string;
  /** Of the version; absent for a base, which has one revision. */
  readonly number: number | undefined;
  /** On a branch: the number of the version it was made from. */
  readonly parent: number | undefined;
  readonly isOnMain: boolean;
  readonly at: Date;
  readonly files: () => Promise<StoredFile[]>;
}

export interface Repository {
  readonly id: string;
  readonly createdAt: Date;
  /** Undefined: a base model. */
  readonly adapter: Adapter | undefined;
  /** Newest first. */
  readonly commits: readonly Commit[];
  /** Those that were taken off the list. */
  readonly disabled: readonly Pick<Commit, 'id' | 'number'>[];
  /** The newest on `main`. */
  readonly main: Commit;
  readonly refs: readonly Ref[];
}

/** Whether everybody may have its files. */
export const isOpen = ({ adapter }: Repository): boolean =>
  !adapter || (adapter.visibility === 'public' && adapter.gate === null);

export const tagOf = (number: number): string => `v${number}`;

export const commitOf = (digest: string): string => digest.slice(0, COMMIT_LENGTH);

/** How long a repository is taken to be as it was, where a file of it is asked for. */
const BELIEVED_MS = 1_000;
const BELIEVED = 1_000;

/**
 * Adapters as they were a moment ago: a small file is then served without asking the database. What this process changes it sees at
 * once; what another one does, a second later.
 */
export class Believed {
  private readonly db: Database;
  private readonly known = new LRUCache<string, AdapterWithVersions>({ max: BELIEVED, ttl: BELIEVED_MS });
  /** What was read before a change and arrives after it is not kept. */
  private changes = 0;

  constructor(db: Database) {
    this.db = db;
  }

  find = async (id: string): Promise<AdapterWithVersions | undefined> => {
    const known = this.known.get(id);
    if (known) return known;
    const before = this.changes;
    const found = await findWithVersions(this.db, id);
    if (found && before === this.changes) this.known.set(id, found);
    return found;
  };

  forget(): void {
    this.changes++;
    this.known.clear();
  }
}

/** @param find with another, what it says is believed. @throws HubNotFound, HubDisabled */
export async function findRepository(
  db: Database,
  viewer: Viewer,
  { owner, name }: { owner: string; name: string },
  find = (id: string) => findWithVersions(db, id),
): Promise<Repository> {
  const id = `${owner}/${name}`;
  const known = [owner, name].every((half) => ownerName.safeParse(half).success);
  const found = known
    ? (adapterRepository(db, viewer, await find(id)) ?? (await baseRepository(db, id)))
    : undefined;
  if (!found) throw noRepository(id);
  return found;
}

function adapterRepository(
  db: Database,
  viewer: Viewer,
  found: AdapterWithVersions | undefined,
): Repository | undefined {
  if (!found || !maySee(viewer, found.adapter)) return undefined;
  const { adapter, versions, quarantined, refs } = found;
  const { id } = adapter;
  const commits = versions.map(({ digest, number, createdAt, branch, parent }) => ({
    id: commitOf(digest),
    number,
    parent: parent ?? undefined,
    isOnMain: branch === null,
    at: createdAt,
    files: () => remembered(digest, () => filesOfVersion(db, id, number)),
  }));
  const disabled = quarantined.map(({ digest, number }) => ({ id: commitOf(digest), number }));
  const main = commits.find(({ isOnMain }) => isOnMain);
  if (!main && disabled.length > 0) throw new HubDisabled(id);
  return main && { id, createdAt: adapter.createdAt, adapter, commits, disabled, main, refs };
}

async function baseRepository(db: Database, id: string): Promise<Repository | undefined> {
  const base = await findBase(db, id);
  if (!base) return undefined;
  const { digest, createdAt } = base;
  const main = {
    id: commitOf(digest),
    number: undefined,
    parent: undefined,
    isOnMain: true,
    at: createdAt,
    files: () => remembered(digest, () => filesOfBase(db, id)),
  };
  return { id, createdAt, adapter: undefined, commits: [main], disabled: [], main, refs: [] };
}

/** By digest, which covers them: they never change. */
const filesOf = new LRUCache<string, StoredFile[]>({ max: 10_000 });

async function remembered(digest: string, find: () => Promise<StoredFile[]>): Promise<StoredFile[]> {
  const files = filesOf.get(digest) ?? (await find());
  filesOf.set(digest, files);
  return files;
}

/** A branch, a tag or a commit. @throws HubNotFound, HubDisabled */
export function findCommit({ id, commits, disabled, main, refs }: Repository, revision: string): Commit {
  if (isMain(revision)) return main;
  const [, prefix, name = ''] = /^(refs\/(?:heads|tags)\/)?(.*)$/s.exec(revision)!;
  const mayBe = { branch: prefix !== 'refs/tags/', tag: prefix !== 'refs/heads/' };
  const ref = refs.find((one) => one.name === name && mayBe[one.kind]);
  const isIt = ({ id, number }: Pick<Commit, 'id' | 'number'>) =>
    (ref && number === ref.number) ||
    id === revision ||
    (mayBe.tag && number !== undefined && name === tagOf(number));
  const found = commits.find(isIt);
  if (!found && disabled.some(isIt)) throw new HubDisabled(id);
  if (!found) throw new HubNotFound('RevisionNotFound', `Invalid rev id: ${revision} of ${id}`);
  return found;
}

/** @throws HubNotFound */
export async function findEntry({ id, files }: Commit, path: string): Promise<StoredFile> {
  const file = (await files()).find((one) => one.path === path);
  if (!file) throw new HubNotFound('EntryNotFound', `Entry not found: ${path}`, id);
  return file;
}
