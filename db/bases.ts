/** Base models. One immutable revision each. */
import { asc, eq } from 'drizzle-orm';
import { requireBlobs } from './blobs.ts';
import type { Database } from './open.ts';
import { baseFiles, bases } from './schema.ts';

export type Base = typeof bases.$inferSelect;
export interface StoredFile {
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
}

export async function findBase(db: Database, id: string): Promise<Base | undefined> {
  const [row] = await db.select().from(bases).where(eq(bases.id, id));
  return row;
}

export function listBases(db: Database): Promise<Base[]> {
  return db.select().from(bases).orderBy(asc(bases.createdAt), asc(bases.id));
}

export function filesOfBase(db: Database, id: string): Promise<StoredFile[]> {
  return db
    .select({ path: baseFiles.path, sha256: baseFiles.sha256, size: baseFiles.size })
    .from(baseFiles)
    .where(eq(baseFiles.baseId, id))
    .orderBy(asc(baseFiles.path));
}

/**
 * @param files announced before (blobs.ts), and in their place
 * @returns the base that is there now: another one where somebody was faster @throws ContentGone
 */
export function insertBase(
  db: Database,
  base: typeof bases.$inferInsert,
  files: readonly StoredFile[],
): Promise<Base> {
  return db.transaction(async (tx) => {
    await requireBlobs(tx, files);
    const [made] = await tx.insert(bases).values(base).onConflictDoNothing().returning();
    if (made) {
      await tx.insert(baseFiles).values(files.map((file) => ({ ...file, baseId: made.id })));
      return made;
    }
    const [there] = await tx.select().from(bases).where(eq(bases.id, base.id));
    return there!;
  });
}
