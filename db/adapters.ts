/** Adapters and their versions. */
import {
  and,
  arrayContains,
  asc,
  desc,
  eq,
  getTableColumns,
  gte,
  inArray,
  lte,
  max,
  or,
  type SQL,
  sql,
} from 'drizzle-orm';
import type { StoredFile } from './bases.ts';
import type { Database } from './open.ts';
import { adapters, baseFiles, blobs, events, type VersionStatus, versionFiles, versions } from './schema.ts';
import { requestVerification } from './verifications.ts';

export type Adapter = Omit<typeof adapters.$inferSelect, 'search' | 'searchText'>;
export type Version = typeof versions.$inferSelect;

const { search: _search, searchText: _searchText, ...columns } = getTableColumns(adapters);

export async function findAdapter(db: Database, id: string): Promise<Adapter | undefined> {
  const [row] = await db.select(columns).from(adapters).where(eq(adapters.id, id));
  return row;
}

const listed = eq(versions.status, 'passed');

/** One that is listed. @param number without it, the latest */
export async function findVersion(
  db: Database,
  adapterId: string,
  number?: number,
): Promise<Version | undefined> {
  const wanted = number === undefined ? undefined : eq(versions.number, number);
  const [row] = await db
    .select()
    .from(versions)
    .where(and(eq(versions.adapterId, adapterId), wanted, listed))
    .orderBy(desc(versions.number))
    .limit(1);
  return row;
}

/** Listed or not: for its publisher. */
export async function findSubmitted(
  db: Database,
  adapterId: string,
  number: number,
): Promise<Version | undefined> {
  const [row] = await db
    .select()
    .from(versions)
    .where(and(eq(versions.adapterId, adapterId), eq(versions.number, number)));
  return row;
}

/** Newest first. @param which without it, those that are listed */
export function listVersions(
  db: Database,
  adapterId: string,
  which: 'listed' | 'submitted' = 'listed',
): Promise<Version[]> {
  return db
    .select()
    .from(versions)
    .where(and(eq(versions.adapterId, adapterId), which === 'listed' ? listed : undefined))
    .orderBy(desc(versions.number));
}

export function filesOfVersion(db: Database, adapterId: string, number: number): Promise<StoredFile[]> {
  return db
    .select({ path: versionFiles.path, sha256: versionFiles.sha256, size: versionFiles.size })
    .from(versionFiles)
    .where(and(eq(versionFiles.adapterId, adapterId), eq(versionFiles.number, number)))
    .orderBy(asc(versionFiles.path));
}

/** Somebody else listed a version meanwhile. */
export class VersionConflict extends Error {
  override readonly name = 'VersionConflict';

  constructor(id: string, latest: number) {
    super(`${id} is at version ${latest} by now: look at it, and try again.`);
  }
}

export type AdapterFacts = Omit<typeof adapters.$inferInsert, 'latest' | 'createdAt' | 'updatedAt'>;

/**
 * Writes a version and everything that belongs to it, and asks for its verification, in one transaction. The adapter's row is
 * locked first, so two versions published at once get two numbers; content that is there already keeps the number it has.
 * @param after the newest version there must be @throws VersionConflict it is another
 */
export function submitVersion(
  db: Database,
  adapter: AdapterFacts,
  version: Omit<typeof versions.$inferInsert, 'number' | 'status'>,
  files: readonly StoredFile[],
  { rules, after }: { rules: number; after?: number | undefined },
): Promise<{ version: Version; created: boolean }> {
  return db.transaction(async (tx) => {
    await tx
      .insert(blobs)
      .values(files.map(({ sha256, size }) => ({ sha256, size })))
      .onConflictDoNothing();
    await tx
      .insert(adapters)
      .values({ ...adapter, latest: 0 })
      .onConflictDoNothing();
    await lockAdapter(tx, adapter.id);
    const [same] = await tx
      .select()
      .from(versions)
      .where(and(eq(versions.adapterId, adapter.id), eq(versions.digest, version.digest)));
    if (same) return { version: await resubmit(tx, same, rules), created: false };
    const newest = await newestNumber(tx, adapter.id, ['passed', 'pending']);
    if (after !== undefined && newest !== after) throw new VersionConflict(adapter.id, newest);
    const number = (await newestNumber(tx, adapter.id)) + 1;
    const [made] = await tx
      .insert(versions)
      .values({ ...version, number })
      .returning();
    await tx.insert(versionFiles).values(files.map((file) => ({ ...file, adapterId: adapter.id, number })));
    await requestVerification(tx, made!, rules);
    await noteVersion(tx, made!, 'submitted', version.createdBy);
    return { version: made!, created: true };
  });
}

/** What was refused may pass now: the rules, or the runner, may be others. */
async function resubmit(tx: Database, version: Version, rules: number): Promise<Version> {
  if (version.status !== 'refused') return version;
  await requestVerification(tx, version, rules);
  return setStatus(tx, version, 'pending');
}

async function lockAdapter(tx: Database, id: string): Promise<void> {
  await tx.select({ id: adapters.id }).from(adapters).where(eq(adapters.id, id)).for('update');
}

async function newestNumber(tx: Database, id: string, statuses?: VersionStatus[]): Promise<number> {
  const [row] = await tx
    .select({ number: max(versions.number) })
    .from(versions)
    .where(and(eq(versions.adapterId, id), statuses && inArray(versions.status, statuses)));
  return row?.number ?? 0;
}

async function setStatus(tx: Database, version: Version, status: VersionStatus): Promise<Version> {
  const [changed] = await tx
    .update(versions)
    .set({ status })
    .where(and(eq(versions.adapterId, version.adapterId), eq(versions.number, version.number)))
    .returning();
  return changed!;
}

function noteVersion(
  tx: Database,
  { adapterId, number, digest }: Version,
  what: string,
  actor: string | null,
) {
  const subject = `${adapterId}@${number}`;
  return tx.insert(events).values({ actor, kind: `version.${what}`, subject, data: { digest } });
}

/**
 * Lists a version or takes it off the list; the catalog then shows the newest that is listed, or nothing.
 * @param factsOf what the catalog repeats of a version
 */
export async function changeStatus(
  tx: Database,
  version: Version,
  status: VersionStatus,
  actor: string | null,
  factsOf: (latest: Version) => AdapterFacts,
): Promise<Version> {
  await lockAdapter(tx, version.adapterId);
  const changed = await setStatus(tx, version, status);
  const latest = await findVersion(tx, version.adapterId);
  const { id: _id, owner: _owner, name: _name, ...facts } = factsOf(latest ?? changed);
  const shown = { ...facts, latest: latest?.number ?? 0, ...(latest ? { updatedAt: latest.createdAt } : {}) };
  await tx.update(adapters).set(shown).where(eq(adapters.id, version.adapterId));
  await noteVersion(tx, changed, status === 'passed' ? 'listed' : status, actor);
  return changed;
}

/** Whether this user may already read the content: it is part of something listed, all of which is public now. */
export async function isListedContent(db: Database, sha256: string): Promise<boolean> {
  const inAdapter = db
    .select({ sha256: versionFiles.sha256 })
    .from(versionFiles)
    .innerJoin(
      versions,
      and(eq(versions.adapterId, versionFiles.adapterId), eq(versions.number, versionFiles.number)),
    )
    .where(and(eq(versionFiles.sha256, sha256), listed));
  const inBase = db.select({ sha256: baseFiles.sha256 }).from(baseFiles).where(eq(baseFiles.sha256, sha256));
  return (await inAdapter.limit(1)).length > 0 || (await inBase.limit(1)).length > 0;
}

export interface AdapterFilter {
  readonly query?: string | undefined;
  readonly base?: string | undefined;
  readonly owner?: string | undefined;
  readonly task?: string | undefined;
  readonly language?: string | undefined;
  readonly license?: string | undefined;
  readonly tag?: string | undefined;
  /** Each a tag or a language. */
  readonly labels?: readonly string[] | undefined;
  readonly minRank?: number | undefined;
  readonly maxRank?: number | undefined;
}

/** The last row of a page, as its order sees it. */
export interface AdapterCursor {
  readonly rank: number;
  readonly createdAt: string;
  readonly id: string;
}

/**
 * A page of adapters, best match first, then newest, then by name. The page starts behind `after` in exactly this order
 * over the filtered rows (a keyset), so it neither skips nor repeats while others are being listed.
 */
export async function searchAdapters(
  db: Database,
  filter: AdapterFilter,
  limit: number,
  after?: AdapterCursor,
): Promise<{ rows: Adapter[]; next: AdapterCursor | undefined }> {
  const query = filter.query?.trim();
  const tsquery = sql`websearch_to_tsquery('english', ${query ?? ''})`;
  const named = sql`${adapters.id} ilike ${`%${(query ?? '').replace(/[\\%_]/g, '\\$&')}%`}`;
  // Rounded, so that a cursor that went through JSON compares equal. A name that holds the words counts as a match.
  const rank = query
    ? sql<number>`round((ts_rank(${adapters.search}, ${tsquery}) + case when ${named} then 1 else 0 end)::numeric, 6)::float8`
    : sql<number>`0::float8`;
  const where: (SQL | undefined)[] = [
    query ? sql`(${adapters.search} @@ ${tsquery} or ${named})` : undefined,
    sql`${adapters.latest} > 0`,
    filter.base === undefined ? undefined : eq(adapters.baseId, filter.base),
    filter.owner === undefined ? undefined : eq(adapters.owner, filter.owner),
    filter.task === undefined ? undefined : eq(adapters.task, filter.task),
    filter.license === undefined ? undefined : eq(adapters.license, filter.license),
    filter.language === undefined ? undefined : arrayContains(adapters.languages, [filter.language]),
    filter.tag === undefined ? undefined : arrayContains(adapters.tags, [filter.tag]),
    ...(filter.labels ?? []).map((label) =>
      or(arrayContains(adapters.tags, [label]), arrayContains(adapters.languages, [label])),
    ),
    filter.minRank === undefined ? undefined : gte(adapters.rank, filter.minRank),
    filter.maxRank === undefined ? undefined : lte(adapters.rank, filter.maxRank),
    after &&
      sql`(${rank} < ${after.rank}::float8 or (${rank} = ${after.rank}::float8 and (${adapters.createdAt} < ${after.createdAt}::timestamptz
        or (${adapters.createdAt} = ${after.createdAt}::timestamptz and ${adapters.id} > ${after.id}))))`,
  ];
  const found = await db
    .select({ ...columns, match: rank })
    .from(adapters)
    .where(and(...where))
    .orderBy(desc(rank), desc(adapters.createdAt), asc(adapters.id))
    .limit(limit + 1);
  const page = found.slice(0, limit);
  const last = page.at(-1);
  const next =
    found.length > limit && last
      ? { rank: last.match, createdAt: last.createdAt.toISOString(), id: last.id }
      : undefined;
  return { rows: page.map(({ match: _match, ...row }) => row), next };
}
