/** Webhooks and what is delivered to them; and the events that they, and the audit log, are about. */
import { and, asc, desc, eq, getTableColumns, inArray, lt, lte, sql } from 'drizzle-orm';
import type { Database } from './open.ts';
import { deliveries, events, user, webhooks } from './schema.ts';

export type Webhook = typeof webhooks.$inferSelect;
export type Delivery = typeof deliveries.$inferSelect;
export type Event = typeof events.$inferSelect;

export interface Due {
  readonly delivery: Delivery;
  readonly webhook: Webhook;
  readonly event: Event;
}

export async function addWebhook(db: Database, webhook: typeof webhooks.$inferInsert): Promise<Webhook> {
  return db.transaction(async (tx) => {
    const [made] = await tx.insert(webhooks).values(webhook).returning();
    const { id, owner, url, createdBy } = made!;
    await tx
      .insert(events)
      .values({ actor: createdBy, kind: 'webhook.added', subject: owner, data: { id, url } });
    return made!;
  });
}

export function listWebhooks(db: Database, owner: string): Promise<Webhook[]> {
  return db.select().from(webhooks).where(eq(webhooks.owner, owner)).orderBy(asc(webhooks.createdAt));
}

export async function findWebhook(db: Database, id: string): Promise<Webhook | undefined> {
  const [row] = await db.select().from(webhooks).where(eq(webhooks.id, id));
  return row;
}

export async function removeWebhook(db: Database, { id, owner }: Webhook, actor: string): Promise<void> {
  await db.delete(webhooks).where(eq(webhooks.id, id));
  await db.insert(events).values({ actor, kind: 'webhook.removed', subject: owner, data: { id } });
}

export async function disableWebhook(db: Database, id: string, at: Date): Promise<void> {
  await db.update(webhooks).set({ disabledAt: at }).where(eq(webhooks.id, id));
}

/** Newest first. */
export function listDeliveries(db: Database, webhookId: string, limit: number) {
  return db
    .select({ ...getTableColumns(deliveries), kind: events.kind, subject: events.subject })
    .from(deliveries)
    .innerJoin(events, eq(events.id, deliveries.eventId))
    .where(eq(deliveries.webhookId, webhookId))
    .orderBy(desc(deliveries.eventId))
    .limit(limit);
}

/** @returns false: there is no such delivery */
export async function replayDelivery(
  db: Database,
  webhookId: string,
  id: string,
  at: Date,
): Promise<boolean> {
  const again = await db
    .update(deliveries)
    .set({ status: 'waiting', attempts: 0, nextAt: at })
    .where(and(eq(deliveries.id, id), eq(deliveries.webhookId, webhookId)))
    .returning({ id: deliveries.id });
  return again.length > 0;
}

/** Takes what is due; nobody else takes it before `until`. */
export function takeDue(db: Database, now: Date, until: Date, limit: number): Promise<Due[]> {
  return db.transaction(async (tx) => {
    const due = await tx
      .select({ id: deliveries.id })
      .from(deliveries)
      .where(and(eq(deliveries.status, 'waiting'), lte(deliveries.nextAt, now)))
      .orderBy(asc(deliveries.nextAt))
      .limit(limit)
      .for('update', { skipLocked: true });
    if (due.length === 0) return [];
    const ids = due.map(({ id }) => id);
    await tx.update(deliveries).set({ nextAt: until }).where(inArray(deliveries.id, ids));
    return tx
      .select({ delivery: deliveries, webhook: webhooks, event: events })
      .from(deliveries)
      .innerJoin(webhooks, eq(webhooks.id, deliveries.webhookId))
      .innerJoin(events, eq(events.id, deliveries.eventId))
      .where(inArray(deliveries.id, ids));
  });
}

export async function settleDelivery(
  db: Database,
  id: string,
  outcome: Partial<Pick<Delivery, 'status' | 'nextAt' | 'answer' | 'deliveredAt'>>,
): Promise<void> {
  await db
    .update(deliveries)
    .set({ ...outcome, attempts: sql`${deliveries.attempts} + 1` })
    .where(eq(deliveries.id, id));
}

/** Of a namespace, or of all; newest first. @param before the number of the last event of the page before */
export function listEvents(
  db: Database,
  { namespace, before, limit }: { namespace: string | undefined; before: number | undefined; limit: number },
) {
  return db
    .select({
      ...getTableColumns(events),
      actor: sql<string | null>`coalesce(${user.name}, ${events.actor})`,
    })
    .from(events)
    .leftJoin(user, eq(user.id, events.actor))
    .where(
      and(
        namespace === undefined ? undefined : sql`split_part(${events.subject}, '/', 1) = ${namespace}`,
        before === undefined ? undefined : lt(events.id, before),
      ),
    )
    .orderBy(desc(events.id))
    .limit(limit + 1);
}

export async function addEvent(
  db: Database,
  event: Omit<typeof events.$inferInsert, 'id' | 'at'>,
): Promise<void> {
  await db.insert(events).values(event);
}
