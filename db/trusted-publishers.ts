/** Who may publish an adapter by a token of somebody else's. */
import { and, asc, eq } from 'drizzle-orm';
import type { Database } from './open.ts';
import { events, trustedPublishers } from './schema.ts';

export type TrustedPublisher = typeof trustedPublishers.$inferSelect;

export function trustPublisher(
  db: Database,
  publisher: typeof trustedPublishers.$inferInsert,
): Promise<TrustedPublisher> {
  return db.transaction(async (tx) => {
    const [made] = await tx.insert(trustedPublishers).values(publisher).returning();
    const { adapterId, issuer, claims, createdBy } = made!;
    await tx.insert(events).values({
      actor: createdBy,
      kind: 'trusted_publisher.added',
      subject: adapterId,
      data: { issuer, claims },
    });
    return made!;
  });
}

export function trustedPublishersOf(db: Database, adapterId: string): Promise<TrustedPublisher[]> {
  return db
    .select()
    .from(trustedPublishers)
    .where(eq(trustedPublishers.adapterId, adapterId))
    .orderBy(asc(trustedPublishers.createdAt));
}

/** @returns false: there is no such publisher of this adapter */
export function distrustPublisher(
  db: Database,
  { id, adapterId, actor }: { id: string; adapterId: string; actor: string },
): Promise<boolean> {
  return db.transaction(async (tx) => {
    const gone = await tx
      .delete(trustedPublishers)
      .where(and(eq(trustedPublishers.id, id), eq(trustedPublishers.adapterId, adapterId)))
      .returning();
    if (gone.length === 0) return false;
    await tx
      .insert(events)
      .values({ actor, kind: 'trusted_publisher.removed', subject: adapterId, data: { id } });
    return true;
  });
}

export function trustedBy(db: Database, issuer: string): Promise<TrustedPublisher[]> {
  return db.select().from(trustedPublishers).where(eq(trustedPublishers.issuer, issuer));
}
