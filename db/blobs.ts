/**
 * Checked content, and the order in which its row, its bytes, and what names it come and go. Whoever publishes announces the content,
 * puts its bytes in place, and then writes what names it. Whoever removes bytes that nothing names does so with the row deleted and the
 * transaction open. So with the row locked, one of two things is true: the announcement came first, is young, and the bytes stay; or the
 * bytes are removed, and the announcement, which has waited, is followed by bytes that are put in place anew.
 */
import { and, eq, inArray, lt, notExists, sql } from 'drizzle-orm';
import type { StoredFile } from './bases.ts';
import type { Database } from './open.ts';
import { baseFiles, blobs, versionFiles } from './schema.ts';

type Content = Pick<StoredFile, 'sha256' | 'size'>;

/** Before bytes are put in place. */
export async function announceBlobs(
  db: Database,
  contents: readonly Content[],
  announcedAt: Date,
): Promise<void> {
  const rows = new Map(contents.map(({ sha256, size }) => [sha256, { sha256, size, announcedAt }]));
  // In one order, so that two who announce the same do not wait for each other.
  const sorted = [...rows.values()].sort((a, b) => (a.sha256 < b.sha256 ? -1 : 1));
  await db.insert(blobs).values(sorted).onConflictDoUpdate({ target: blobs.sha256, set: { announcedAt } });
}

/** Content that was announced is gone: it took longer than the grace period to name it. */
export class ContentGone extends Error {
  override readonly name = 'ContentGone';

  constructor() {
    super('Some of the content was put in place so long ago that it was cleared away: try again.');
  }
}

/** Within the transaction that names them. @throws ContentGone */
export async function requireBlobs(tx: Database, contents: readonly Content[]): Promise<void> {
  const needed = [...new Set(contents.map(({ sha256 }) => sha256))];
  const there = await tx
    .select({ sha256: blobs.sha256 })
    .from(blobs)
    .where(inArray(blobs.sha256, needed))
    .orderBy(blobs.sha256)
    .for('key share');
  if (there.length < needed.length) throw new ContentGone();
}

const isUnnamed = (db: Database, sha256: typeof blobs.sha256) =>
  and(
    ...[versionFiles, baseFiles].map((files) =>
      notExists(db.select({ one: sql`1` }).from(files).where(eq(files.sha256, sha256))),
    ),
  );

/** Of these, those without a row, and those that nothing names and that were announced before. */
export async function unnamedBlobs(
  db: Database,
  sha256s: readonly string[],
  announcedBefore: Date,
): Promise<string[]> {
  const rows = await db
    .select({ sha256: blobs.sha256, announcedAt: blobs.announcedAt, unnamed: isUnnamed(db, blobs.sha256)! })
    .from(blobs)
    .where(inArray(blobs.sha256, [...sha256s]));
  const kept = new Set(
    rows.filter((row) => !row.unnamed || row.announcedAt >= announcedBefore).map(({ sha256 }) => sha256),
  );
  return sha256s.filter((sha256) => !kept.has(sha256));
}

/**
 * Removes content that nothing names, unless it was announced since. One without a row gets one first, to be locked by.
 * @param removeBytes called with the row locked @returns whether it was removed
 */
export function removeUnnamed(
  db: Database,
  { sha256, size }: Content,
  announcedBefore: Date,
  removeBytes: () => Promise<void>,
): Promise<boolean> {
  return db.transaction(async (tx) => {
    await tx
      .insert(blobs)
      .values({ sha256, size, announcedAt: new Date(0) })
      .onConflictDoNothing();
    const removed = await tx
      .delete(blobs)
      .where(
        and(eq(blobs.sha256, sha256), lt(blobs.announcedAt, announcedBefore), isUnnamed(tx, blobs.sha256)),
      )
      .returning({ sha256: blobs.sha256 });
    if (removed.length === 0) return false;
    await removeBytes();
    return true;
  });
}
