/** Drafts: what is on its way into the catalog. */
import { and, desc, eq, inArray, isNull, lt, type SQL, sql } from 'drizzle-orm';
import type { Database } from './open.ts';
import { draftFiles, drafts } from './schema.ts';

export type Draft = typeof drafts.$inferSelect;
export type DraftFile = typeof draftFiles.$inferSelect;

export async function insertDraft(
  db: Database,
  draft: typeof drafts.$inferInsert,
  files: readonly Omit<DraftFile, 'draftId'>[],
): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.insert(drafts).values(draft);
    await tx.insert(draftFiles).values(files.map((file) => ({ ...file, draftId: draft.id })));
  });
}

export async function findDraft(
  db: Database,
  id: string,
): Promise<{ draft: Draft; files: DraftFile[] } | undefined> {
  const [draft] = await db.select().from(drafts).where(eq(drafts.id, id));
  if (!draft) return undefined;
  const files = await db.select().from(draftFiles).where(eq(draftFiles.draftId, id)).orderBy(draftFiles.path);
  return { draft, files };
}

export interface ContentDraft {
  readonly draft: Draft;
  readonly file: DraftFile;
}

/** Files that a user has sent one by one, each under a draft of its own. */
const contentDrafts = (db: Database, userId: string, ...which: (SQL | undefined)[]) =>
  db
    .select({ draft: drafts, file: draftFiles })
    .from(drafts)
    .innerJoin(draftFiles, eq(draftFiles.draftId, drafts.id))
    .where(and(eq(drafts.kind, 'content'), eq(drafts.createdBy, userId), ...which));

/** The upload of one file for an adapter, by its content. */
export async function findContentDraft(
  db: Database,
  { userId, target, sha256 }: { userId: string; target: string; sha256: string },
): Promise<ContentDraft | undefined> {
  const [row] = await contentDrafts(db, userId, eq(drafts.target, target), eq(draftFiles.sha256, sha256))
    .orderBy(desc(drafts.createdAt))
    .limit(1);
  return row;
}

/** What a user has sent under this path, most recently. */
export async function findStaged(db: Database, userId: string, path: string): Promise<DraftFile | undefined> {
  const [row] = await contentDrafts(db, userId, eq(draftFiles.path, path))
    .orderBy(desc(drafts.createdAt))
    .limit(1);
  return row?.file;
}

/** Everything that a user has sent for an adapter under paths that begin so. */
export async function listStaged(
  db: Database,
  { userId, target, prefix }: { userId: string; target: string; prefix: string },
): Promise<ContentDraft[]> {
  return await contentDrafts(
    db,
    userId,
    eq(drafts.target, target),
    sql`starts_with(${draftFiles.path}, ${prefix})`,
  );
}

/** Another upload in the place of one that the object store has lost. @returns whether it was there to be replaced */
export async function replaceUpload(
  db: Database,
  draftId: string,
  lost: NonNullable<DraftFile['upload']>,
  upload: NonNullable<DraftFile['upload']>,
): Promise<boolean> {
  const replaced = await db
    .update(draftFiles)
    .set({ upload })
    .where(and(eq(draftFiles.draftId, draftId), eq(sql`${draftFiles.upload}->>'uploadId'`, lost.uploadId)))
    .returning({ path: draftFiles.path });
  return replaced.length > 0;
}

/** Notes what a draft became. The first to say so is right: later ones only found what it had listed. */
export async function markCompleted(
  db: Database,
  id: string,
  completed: NonNullable<Draft['completed']>,
): Promise<void> {
  await db
    .update(drafts)
    .set({ completed })
    .where(and(eq(drafts.id, id), isNull(drafts.completed)));
}

export async function deleteDraft(db: Database, id: string): Promise<void> {
  await db.delete(drafts).where(eq(drafts.id, id));
}

/** Of these keys in the object store, those that a draft names. */
export async function draftsOf(db: Database, keys: readonly string[]): Promise<Set<string>> {
  const key = sql<string>`${draftFiles.upload}->>'key'`;
  const rows = await db
    .select({ key })
    .from(draftFiles)
    .where(inArray(draftFiles.draftId, [...new Set(keys.map((one) => one.split('/')[1]!))]));
  return new Set(rows.map((row) => row.key));
}

/** For the next sweep to remove, with its bytes. */
export async function expireDraft(db: Database, id: string, at: Date): Promise<void> {
  await db.update(drafts).set({ expiresAt: at }).where(eq(drafts.id, id));
}

export async function expiredDrafts(db: Database, now: Date, limit: number): Promise<string[]> {
  const rows = await db.select({ id: drafts.id }).from(drafts).where(lt(drafts.expiresAt, now)).limit(limit);
  return rows.map(({ id }) => id);
}
