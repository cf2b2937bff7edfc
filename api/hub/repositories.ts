/**
 * Adapters and bases as Hugging Face's repositories: a version is a commit, `main` is the latest one, `v3` a tag. A commit's
 * name is the beginning of the version's digest, which covers its files and its base, so it names that content for ever.
 */
import { ownerName } from '../../adapter/reference.ts';
import { type Adapter, filesOfVersion, findAdapter, listVersions } from '../../db/adapters.ts';
import { filesOfBase, findBase, type StoredFile } from '../../db/bases.ts';
import type { Database } from '../../db/open.ts';
import { maySee, type Viewer } from '../access.ts';
import { HubNotFound } from './errors.ts';

const COMMIT_LENGTH = 40;
const MAIN = ['main', 'HEAD', 'refs/heads/main'];

export interface Commit {
  readonly id: string;
  /** Absent for a base, which has one revision. */
  readonly tag: string | undefined;
  readonly at: Date;
  readonly files: () => Promise<StoredFile[]>;
}

export interface Repository {
  readonly id: string;
  readonly createdAt: Date;
  /** Undefined: a base model. */
  readonly adapter: Adapter | undefined;
  /** Newest first, at least one. */
  readonly commits: readonly Commit[];
}

export const commitOf = (digest: string): string => digest.slice(0, COMMIT_LENGTH);

/** @throws HubNotFound */
export async function findRepository(
  db: Database,
  viewer: Viewer,
  owner: string,
  name: string,
): Promise<Repository> {
  const id = `${owner}/${name}`;
  const known = [owner, name].every((half) => ownerName.safeParse(half).success);
  const found = known
    ? ((await adapterRepository(db, viewer, id)) ?? (await baseRepository(db, id)))
    : undefined;
  if (!found) throw new HubNotFound('RepoNotFound', `Repository not found: ${id}`);
  return found;
}

async function adapterRepository(db: Database, viewer: Viewer, id: string): Promise<Repository | undefined> {
  const adapter = await findAdapter(db, id);
  if (!adapter || adapter.latest === 0 || !maySee(viewer, adapter)) return undefined;
  const versions = await listVersions(db, id);
  const commits = versions.map(({ digest, number, createdAt }) => ({
    id: commitOf(digest),
    tag: `v${number}`,
    at: createdAt,
    files: () => filesOfVersion(db, id, number),
  }));
  return { id, createdAt: adapter.createdAt, adapter, commits };
}

async function baseRepository(db: Database, id: string): Promise<Repository | undefined> {
  const base = await findBase(db, id);
  if (!base) return undefined;
  const { digest, createdAt } = base;
  const commit = {
    id: commitOf(digest),
    tag: undefined,
    at: createdAt,
    files: () => filesOfBase(db, id),
  };
  return { id, createdAt, adapter: undefined, commits: [commit] };
}

/** A branch, a tag or a commit. @throws HubNotFound */
export function findCommit({ id, commits }: Repository, revision: string): Commit {
  const name = revision.replace(/^refs\/tags\//, '');
  const found = MAIN.includes(name) ? commits[0] : commits.find((one) => one.id === name || one.tag === name);
  if (!found) throw new HubNotFound('RevisionNotFound', `Invalid rev id: ${revision} of ${id}`);
  return found;
}

/** @throws HubNotFound */
export async function findEntry({ id, files }: Commit, path: string): Promise<StoredFile> {
  const file = (await files()).find((one) => one.path === path);
  if (!file) throw new HubNotFound('EntryNotFound', `Entry not found: ${path}`, id);
  return file;
}
