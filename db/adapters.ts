/** Adapters and their versions. */
import {
  and,
  asc,
  countDistinct,
  desc,
  eq,
  getTableColumns,
  inArray,
  isNull,
  max,
  or,
  type SQL,
  sql,
} from 'drizzle-orm';
import type { StoredFile } from './bases.ts';
import { requireBlobs } from './blobs.ts';
import type { Database } from './open.ts';
import { settingsOf } from './people.ts';
import { branchTip, moveBranch } from './refs.ts';
import { adapters, baseFiles, events, type VersionStatus, versionFiles, versions } from './schema.ts';
import { requestVerification } from './verifications.ts';

/** What is there for searching stays in the database. */
type Searched = 'names' | 'namesText' | 'search' | 'searchText' | 'labels';
export type Adapter = Omit<typeof adapters.$inferSelect, Searched>;
export type Version = typeof versions.$inferSelect;

const {
  names: _names,
  namesText: _namesText,
  search: _search,
  searchText: _searchText,
  labels: _labels,
  ...columns
} = getTableColumns(adapters);
export const adapterColumns = columns;

export async function findAdapter(db: Database, id: string): Promise<Adapter | undefined> {
  const [row] = await db.select(columns).from(adapters).where(eq(adapters.id, id));
  return row;
}

export async function findAdapters(db: Database, ids: readonly string[]): Promise<Adapter[]> {
  if (ids.length === 0) return [];
  return db
    .select(columns)
    .from(adapters)
    .where(inArray(adapters.id, [...ids]));
}

const listed = eq(versions.status, 'passed');

/** One that is listed. @param number without it, the latest on `main` */
export async function findVersion(
  db: Database,
  adapterId: string,
  number?: number,
): Promise<Version | undefined> {
  const wanted = number === undefined ? isNull(versions.branch) : eq(versions.number, number);
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

export type AdapterFacts = Omit<
  typeof adapters.$inferInsert,
  'latest' | 'createdAt' | 'updatedAt' | 'downloads' | 'likes' | 'visibility' | 'gate'
>;

/**
 * Writes a version and everything that belongs to it, and asks for its verification, in one transaction. The adapter's row is
 * locked first, so two versions published at once get two numbers; content that is there already keeps the number it has.
 * @param files announced before (blobs.ts), and in their place
 * @param after the newest version there must be @throws VersionConflict it is another, ContentGone
 */
export function submitVersion(
  db: Database,
  adapter: AdapterFacts,
  version: Omit<typeof versions.$inferInsert, 'number' | 'status'>,
  files: readonly StoredFile[],
  { rules, after }: { rules: number; after?: number | undefined },
): Promise<{ version: Version; created: boolean }> {
  return db.transaction(async (tx) => {
    await requireBlobs(tx, files);
    await tx
      .insert(adapters)
      .values({ ...adapter, ...(await settingsOf(tx, adapter.id)), latest: 0 })
      .onConflictDoNothing();
    await lockAdapter(tx, adapter.id);
    const [same] = await tx
      .select()
      .from(versions)
      .where(and(eq(versions.adapterId, adapter.id), eq(versions.digest, version.digest)));
    const newest = await newestOn(tx, adapter.id, version.branch ?? null);
    if (same) {
      const wanted = { branch: version.branch ?? null, newest };
      return { version: await resubmit(tx, same, rules, wanted), created: false };
    }
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

/**
 * What was refused may pass now: the rules, or the runner, may be others. What was withdrawn is wanted again. What was on a branch is
 * wanted on `main`, where it becomes the newest, unless `main` has gone past it; and a branch can come to what is there.
 */
async function resubmit(
  tx: Database,
  version: Version,
  rules: number,
  wanted: { branch: string | null; newest: number },
): Promise<Version> {
  const { adapterId, number, status } = version;
  const entersMain = wanted.branch === null && version.branch !== null && number > wanted.newest;
  if (wanted.branch !== null && status === 'passed') await moveBranch(tx, adapterId, wanted.branch, number);
  if (entersMain) await tx.update(versions).set({ branch: null, parent: null }).where(isVersion(version));
  if (status !== 'refused' && status !== 'withdrawn' && !(entersMain && status === 'passed'))
    return { ...version, ...(entersMain ? { branch: null, parent: null } : {}) };
  const pending = await setStatus(tx, version, 'pending');
  await requestVerification(tx, pending, rules);
  return pending;
}

async function lockAdapter(tx: Database, id: string): Promise<void> {
  await tx.select({ id: adapters.id }).from(adapters).where(eq(adapters.id, id)).for('update');
}

/** Which version a commit to the branch comes after; null: `main`. */
async function newestOn(tx: Database, id: string, branch: string | null): Promise<number> {
  if (branch === null)
    return newestNumber(
      tx,
      id,
      and(isNull(versions.branch), inArray(versions.status, ['passed', 'pending'])),
    );
  const waiting = await newestNumber(
    tx,
    id,
    and(eq(versions.branch, branch), eq(versions.status, 'pending')),
  );
  return waiting || ((await branchTip(tx, id, branch)) ?? 0);
}

async function newestNumber(tx: Database, id: string, which?: SQL): Promise<number> {
  const [row] = await tx
    .select({ number: max(versions.number) })
    .from(versions)
    .where(and(eq(versions.adapterId, id), which));
  return row?.number ?? 0;
}

const isVersion = ({ adapterId, number }: Pick<Version, 'adapterId' | 'number'>): SQL | undefined =>
  and(eq(versions.adapterId, adapterId), eq(versions.number, number));

async function setStatus(tx: Database, version: Version, status: VersionStatus): Promise<Version> {
  const [changed] = await tx.update(versions).set({ status }).where(isVersion(version)).returning();
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
  await followVersion(tx, changed);
  await repeatLatest(tx, changed, factsOf);
  await noteVersion(tx, changed, status === 'passed' ? 'listed' : status, actor);
  return changed;
}

/** A branch moves to what was committed to it, once that is listed, and back when it is taken off the list. */
async function followVersion(
  tx: Database,
  { adapterId, number, status, branch, parent }: Version,
): Promise<void> {
  if (branch === null) return;
  if (status === 'passed') await moveBranch(tx, adapterId, branch, number);
  else if (parent !== null && (await branchTip(tx, adapterId, branch)) === number)
    await moveBranch(tx, adapterId, branch, parent);
}

/** Keeps how a version compared with its base, for the catalog to show. */
export async function keepEvaluation(
  tx: Database,
  { adapterId, number }: Version,
  evaluation: Pick<Version, 'evalGain' | 'evaluation' | 'evaluatedOn'>,
  factsOf: (latest: Version) => AdapterFacts,
): Promise<Version> {
  await lockAdapter(tx, adapterId);
  const [changed] = await tx
    .update(versions)
    .set(evaluation)
    .where(and(eq(versions.adapterId, adapterId), eq(versions.number, number)))
    .returning();
  await repeatLatest(tx, changed!, factsOf);
  return changed!;
}

async function repeatLatest(
  tx: Database,
  version: Version,
  factsOf: (latest: Version) => AdapterFacts,
): Promise<void> {
  const latest = await findVersion(tx, version.adapterId);
  const { id: _id, owner: _owner, name: _name, ...facts } = factsOf(latest ?? version);
  const shown = { ...facts, latest: latest?.number ?? 0, ...(latest ? { updatedAt: latest.createdAt } : {}) };
  await tx.update(adapters).set(shown).where(eq(adapters.id, version.adapterId));
}

/** Whether everybody may already read the content: it is part of something listed that is neither private nor gated. */
export async function isListedContent(db: Database, sha256: string): Promise<boolean> {
  const inAdapter = db
    .select({ sha256: versionFiles.sha256 })
    .from(versionFiles)
    .innerJoin(
      versions,
      and(eq(versions.adapterId, versionFiles.adapterId), eq(versions.number, versionFiles.number)),
    )
    .innerJoin(adapters, eq(adapters.id, versionFiles.adapterId))
    .where(
      and(eq(versionFiles.sha256, sha256), listed, eq(adapters.visibility, 'public'), isNull(adapters.gate)),
    );
  const inBase = db.select({ sha256: baseFiles.sha256 }).from(baseFiles).where(eq(baseFiles.sha256, sha256));
  return (await inAdapter.limit(1)).length > 0 || (await inBase.limit(1)).length > 0;
}

/** Where listed files with this content are, newest first. */
export function findByDigest(db: Database, sha256: string, privateOf: PrivateOf, limit: number) {
  return db
    .select({ adapterId: versionFiles.adapterId, number: versionFiles.number, path: versionFiles.path })
    .from(versionFiles)
    .innerJoin(
      versions,
      and(eq(versions.adapterId, versionFiles.adapterId), eq(versions.number, versionFiles.number)),
    )
    .innerJoin(adapters, eq(adapters.id, versionFiles.adapterId))
    .where(and(eq(versionFiles.sha256, sha256), listed, visible(privateOf)))
    .orderBy(desc(versions.createdAt))
    .limit(limit);
}

/** Whose private adapters are shown besides the public ones. */
export type PrivateOf = 'all' | readonly string[];

export function visible(privateOf: PrivateOf): SQL | undefined {
  if (privateOf === 'all') return undefined;
  const isPublic = eq(adapters.visibility, 'public');
  return privateOf.length > 0 ? or(isPublic, inArray(adapters.owner, [...privateOf])) : isPublic;
}

/** Listed versions that were trained from this one. */
export function madeFrom(
  db: Database,
  reference: string,
  privateOf: PrivateOf,
  limit: number,
): Promise<Version[]> {
  return db
    .select(getTableColumns(versions))
    .from(versions)
    .innerJoin(adapters, eq(adapters.id, versions.adapterId))
    .where(and(sql`${versions.lineage}->>'parent' = ${reference}`, listed, visible(privateOf)))
    .orderBy(desc(versions.createdAt))
    .limit(limit);
}

/** @param references owner/name@number. @returns how many public adapters were trained from any of them */
export async function countMadeFrom(db: Database, references: readonly string[]): Promise<number> {
  const [row] = await db
    .select({ count: countDistinct(versions.adapterId) })
    .from(versions)
    .innerJoin(adapters, eq(adapters.id, versions.adapterId))
    .where(and(inArray(sql`${versions.lineage}->>'parent'`, [...references]), listed, visible([])));
  return row?.count ?? 0;
}
