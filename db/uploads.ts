/** Files that come in parts. */
import { and, count, eq, gt, inArray, lt, sql } from 'drizzle-orm';
import { finishFile, type UserFile } from './files.ts';
import type { Database } from './open.ts';
import { uploadParts, uploads } from './schema.ts';

export type Upload = typeof uploads.$inferSelect;
export type UploadPart = typeof uploadParts.$inferSelect;

const takesParts = (id: string, at: Date) =>
  and(eq(uploads.id, id), eq(uploads.status, 'pending'), gt(uploads.closesAt, at));

/** @param tx in which no other one of the user is made. @returns undefined: the user has `limit` open ones already */
export async function insertUpload(
  tx: Database,
  upload: typeof uploads.$inferInsert & { readonly createdAt: Date },
  limit: number,
): Promise<Upload | undefined> {
  const { userId, createdAt } = upload;
  const open = and(
    eq(uploads.userId, userId),
    eq(uploads.status, 'pending'),
    gt(uploads.closesAt, createdAt),
  );
  if ((await tx.$count(uploads, open)) >= limit) return undefined;
  const [made] = await tx.insert(uploads).values(upload).returning();
  return made;
}

/** An upload of somebody else is as good as none. */
export async function findUpload(db: Database, userId: string, id: string): Promise<Upload | undefined> {
  const [row] = await db
    .select()
    .from(uploads)
    .where(and(eq(uploads.id, id), eq(uploads.userId, userId)));
  return row;
}

/**
 * A part whose bytes are in the object store.
 * @param most parts of an upload, and how many bytes they may have together
 */
export function addPart(
  db: Database,
  part: typeof uploadParts.$inferInsert & { readonly createdAt: Date },
  most: { readonly parts: number; readonly bytes: number },
): Promise<'added' | 'closed' | 'full'> {
  return db.transaction(async (tx) => {
    // Locked: parts come several at a time, and the upload may be closed meanwhile.
    const [open] = await tx
      .select({ id: uploads.id })
      .from(uploads)
      .where(takesParts(part.uploadId, part.createdAt))
      .for('update');
    if (!open) return 'closed';
    const [there] = await tx
      .select({ parts: count(), bytes: sql<number>`coalesce(sum(${uploadParts.size}), 0)::float8` })
      .from(uploadParts)
      .where(eq(uploadParts.uploadId, part.uploadId));
    if (there!.parts >= most.parts || there!.bytes + part.size > most.bytes) return 'full';
    await tx.insert(uploadParts).values(part);
    return 'added';
  });
}

/** In no order; those that are not of this upload are left out. */
export function findParts(db: Database, uploadId: string, ids: readonly string[]): Promise<UploadPart[]> {
  return db
    .select()
    .from(uploadParts)
    .where(and(eq(uploadParts.uploadId, uploadId), inArray(uploadParts.id, [...ids])));
}

/** The upload becomes its file, whose bytes are all there: both at once. @returns undefined: it was closed meanwhile */
export function completeUpload(
  db: Database,
  id: string,
  fileId: string,
  facts: Parameters<typeof finishFile>[2],
  at: Date,
): Promise<UserFile | undefined> {
  return db.transaction(async (tx) => {
    // It may have expired since its completion began, which counts.
    const [pending] = await tx
      .select({ id: uploads.id })
      .from(uploads)
      .where(and(eq(uploads.id, id), eq(uploads.status, 'pending')))
      .for('update');
    if (!pending) return undefined;
    const file = await finishFile(tx, fileId, facts);
    await tx.update(uploads).set({ status: 'completed', fileId, closesAt: at }).where(eq(uploads.id, id));
    return file;
  });
}

/** @returns undefined: it is closed already */
export async function cancelUpload(db: Database, id: string, at: Date): Promise<Upload | undefined> {
  const [row] = await db
    .update(uploads)
    .set({ status: 'cancelled', closesAt: at })
    .where(takesParts(id, at))
    .returning();
  return row;
}

/** Of these keys in the object store, those of uploads that are not swept yet. */
export async function uploadsOf(db: Database, keys: readonly string[]): Promise<Set<string>> {
  const idOf = (key: string) => key.split('/')[1]!;
  const rows = await db
    .select({ id: uploads.id })
    .from(uploads)
    .where(and(inArray(uploads.id, [...new Set(keys.map(idOf))]), eq(uploads.swept, false)));
  const ids = new Set(rows.map(({ id }) => id));
  return new Set(keys.filter((key) => ids.has(idOf(key))));
}

/** Closed before `before`, whose parts nobody reads any more. */
export async function closedUploads(db: Database, before: Date, limit: number): Promise<string[]> {
  const rows = await db
    .select({ id: uploads.id })
    .from(uploads)
    .where(and(eq(uploads.swept, false), lt(uploads.closesAt, before)))
    .limit(limit);
  return rows.map(({ id }) => id);
}

export async function forgetParts(db: Database, id: string): Promise<void> {
  await db.transaction(async (tx) => {
    const status = sql`case ${uploads.status} when 'pending' then 'expired' else ${uploads.status} end`;
    await tx.update(uploads).set({ swept: true, status }).where(eq(uploads.id, id));
    await tx.delete(uploadParts).where(eq(uploadParts.uploadId, id));
  });
}

export async function forgetUploads(db: Database, before: Date): Promise<void> {
  await db.delete(uploads).where(and(eq(uploads.swept, true), lt(uploads.closesAt, before)));
}
