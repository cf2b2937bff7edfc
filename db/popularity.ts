/** What is counted of adapters: likes and downloads. */
import { and, eq, lt, sql } from 'drizzle-orm';
import type { Database } from './open.ts';
import { adapters, downloads, likes } from './schema.ts';

/** Of the downloads that count. */
export const DOWNLOAD_DAYS = 30;

/** @returns whether anything changed: nobody likes an adapter twice */
export function like(db: Database, adapterId: string, userId: string): Promise<boolean> {
  return db.transaction(async (tx) => {
    const made = await tx.insert(likes).values({ adapterId, userId }).onConflictDoNothing().returning();
    if (made.length > 0) await addLikes(tx, adapterId, 1);
    return made.length > 0;
  });
}

export function unlike(db: Database, adapterId: string, userId: string): Promise<boolean> {
  return db.transaction(async (tx) => {
    const gone = await tx
      .delete(likes)
      .where(and(eq(likes.adapterId, adapterId), eq(likes.userId, userId)))
      .returning();
    if (gone.length > 0) await addLikes(tx, adapterId, -1);
    return gone.length > 0;
  });
}

export async function hasLiked(db: Database, adapterId: string, userId: string): Promise<boolean> {
  const found = await db
    .select({ userId: likes.userId })
    .from(likes)
    .where(and(eq(likes.adapterId, adapterId), eq(likes.userId, userId)));
  return found.length > 0;
}

async function addLikes(tx: Database, id: string, more: number): Promise<void> {
  await tx
    .update(adapters)
    .set({ likes: sql`${adapters.likes} + ${more}` })
    .where(eq(adapters.id, id));
}

/** @param day as in 2026-11-24 */
export async function addDownloads(
  db: Database,
  counts: ReadonlyMap<string, number>,
  day: string,
): Promise<void> {
  // In one order, so that two servers that count at once do not wait for each other.
  for (const [adapterId, count] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1))) {
    await db.transaction(async (tx) => {
      const more = await tx
        .update(adapters)
        .set({ downloads: sql`${adapters.downloads} + ${count}` })
        .where(eq(adapters.id, adapterId))
        .returning({ id: adapters.id });
      if (more.length === 0) return;
      await tx
        .insert(downloads)
        .values({ adapterId, day, count })
        .onConflictDoUpdate({
          target: [downloads.adapterId, downloads.day],
          set: { count: sql`${downloads.count} + ${count}` },
        });
    });
  }
}

const FORGOTTEN_AT_ONCE = 1000;

/** Takes off what was downloaded before `day`. @returns how many days of adapters */
export function forgetDownloads(db: Database, day: string): Promise<number> {
  return db.transaction(async (tx) => {
    const old = await tx
      .select()
      .from(downloads)
      .where(lt(downloads.day, day))
      .orderBy(downloads.adapterId)
      .limit(FORGOTTEN_AT_ONCE)
      .for('update', { skipLocked: true });
    for (const { adapterId, day: of, count } of old) {
      await tx
        .update(adapters)
        .set({ downloads: sql`greatest(0, ${adapters.downloads} - ${count})` })
        .where(eq(adapters.id, adapterId));
      await tx.delete(downloads).where(and(eq(downloads.adapterId, adapterId), eq(downloads.day, of)));
    }
    return old.length;
  });
}
