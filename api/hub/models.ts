/** Repositories as the Hub's JSON describes them. */
import { type Adapter, countMadeFrom } from '../../db/adapters.ts';
import { countOnBase } from '../../db/catalog.ts';
import type { Database } from '../../db/open.ts';
import type { RefKind } from '../../db/schema.ts';
import { type GitObjects, isLfs } from './git-objects.ts';
import { type Commit, type Repository, tagOf } from './repositories.ts';

/** `GET /api/models/{id}`. @param detailed with sizes and digests of the files */
export async function modelInfo(
  repository: Repository,
  commit: Commit,
  { objects, detailed }: { objects: GitObjects; detailed: boolean },
) {
  const files = await commit.files();
  const siblings = files.map(async (file) => {
    if (!detailed) return { rfilename: file.path };
    const { oid, size, lfs } = await objects.entry(file);
    return {
      rfilename: file.path,
      size,
      blobId: oid,
      ...(isLfs(file) && lfs ? { lfs: { sha256: lfs.oid, size, pointerSize: lfs.pointerSize } } : {}),
    };
  });
  const { id, adapter, createdAt } = repository;
  return {
    ...(adapter ? adapterFacts(adapter) : baseFacts(id, createdAt)),
    sha: commit.id,
    lastModified: commit.at.toISOString(),
    siblings: await Promise.all(siblings),
  };
}

/** Public adapters that were trained from it, or for it. */
export function countChildren(db: Database, { id, adapter, commits }: Repository): Promise<number> {
  if (!adapter) return countOnBase(db, id);
  return countMadeFrom(
    db,
    commits.map(({ number }) => `${id}@${number}`),
  );
}

/** An element of `GET /api/models`. */
export function adapterFacts(adapter: Adapter) {
  const { baseId, license, languages, tags, task } = adapter;
  return {
    ...facts(adapter.id, adapter.createdAt, [
      'peft',
      'safetensors',
      'lora',
      `base_model:${baseId}`,
      `base_model:adapter:${baseId}`,
      ...languages,
      ...(license ? [`license:${license}`] : []),
      ...tags,
    ]),
    private: adapter.visibility === 'private',
    gated: adapter.gate ?? false,
    lastModified: adapter.updatedAt.toISOString(),
    downloads: adapter.downloads,
    likes: adapter.likes,
    library_name: 'peft',
    baseModels: { relation: 'adapter', models: [{ _id: baseId, id: baseId }] },
    cardData: {
      base_model: baseId,
      library_name: 'peft',
      ...(license ? { license } : {}),
      ...(languages.length > 0 ? { language: languages } : {}),
      ...(tags.length > 0 ? { tags } : {}),
      ...(task ? { pipeline_tag: task } : {}),
    },
  };
}

const baseFacts = (id: string, createdAt: Date) => ({
  ...facts(id, createdAt, ['transformers', 'safetensors']),
  library_name: 'transformers',
});

const facts = (id: string, createdAt: Date, tags: readonly string[]) => ({
  _id: id,
  id,
  modelId: id,
  author: id.split('/')[0]!,
  private: false,
  gated: false,
  disabled: false,
  createdAt: createdAt.toISOString(),
  pipeline_tag: 'text-generation',
  tags,
});

/** `GET /api/models/{id}/refs`. What names a version that is not listed names nothing. */
export function refs({ commits, main, refs }: Repository) {
  const named = (kind: RefKind) =>
    refs.flatMap(({ name, number, ...one }) => {
      const commit = one.kind === kind && commits.find((other) => other.number === number);
      return commit ? [refTo(kind, name, commit)] : [];
    });
  const versions = commits.flatMap((one) =>
    one.number === undefined ? [] : [refTo('tag', tagOf(one.number), one)],
  );
  return {
    branches: [refTo('branch', 'main', main), ...named('branch')],
    tags: [...versions, ...named('tag')],
    converts: [],
  };
}

const refTo = (kind: RefKind, name: string, { id }: Commit) => ({
  name,
  ref: `refs/${kind === 'branch' ? 'heads' : 'tags'}/${name}`,
  targetCommit: id,
});

/** `GET /api/models/{id}/commits/{revision}`: that one and those before it. */
export function history({ id: repository, commits }: Repository, from: Commit) {
  const user = repository.split('/')[0]!;
  const before = ({ number = 0, parent, isOnMain }: Commit) =>
    commits.find((one) => (isOnMain ? one.isOnMain && (one.number ?? 0) < number : one.number === parent));
  const line: Commit[] = [];
  for (let at: Commit | undefined = from; at; at = before(at)) line.push(at);
  return line.map(({ id, number, at }) => ({
    id,
    title: number === undefined ? 'Import' : `Version ${tagOf(number)}`,
    message: '',
    authors: [{ user }],
    date: at.toISOString(),
  }));
}
