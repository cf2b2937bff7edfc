/** Webhooks and what is delivered to them; and the events that they, and the audit log, are about. */
import { and, asc, desc, eq, getTableColumns, inArray, isNull, lt, lte, sql } from 'drizzle-orm';
import type { Database } from './open.ts';
import { deliveries, events, user, webhooks } from './schema.ts';

export type Webhook = typeof webhooks.$inferSelect;
export type Delivery = typeof deliveries.$inferSelect;
export type Event = typeof events.$inferSelect;

/** So many owners' deliveries at least are taken together, where so many have any. */
const OWNERS_AT_ONCE = 5;

export interface Due {
  readonly delivery: Delivery;
  readonly webhook: Webhook;
  readonly event: Event;
}

/** @returns undefined: the owner has `limit` of them already */
export async function addWebhook(
  db: Database,
  webhook: typeof webhooks.$inferInsert,
  limit: number,
): Promise<Webhook | undefined> {
  return db.transaction(async (tx) => {
    // One at a time of an owner: two at once would both find room for one more.
    await tx.execute(sql`select pg_advisory_xact_lock(hashtext(${`webhooks of ${webhook.owner}`}))`);
    if ((await tx.$count(webhooks, eq(webhooks.owner, webhook.owner))) >= limit) return undefined;
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

/** What still waits for it is never told. */
export async function disableWebhook(db: Database, id: string, at: Date): Promise<void> {
  await db.update(webhooks).set({ disabledAt: at }).where(eq(webhooks.id, id));
  await db
    .update(deliveries)
    .set({ status: 'failed' })
    .where(and(eq(deliveries.webhookId, id), eq(deliveries.status, 'waiting')));
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

/** Takes what is due, of each owner in turn: whose receivers are slow keeps nobody waiting. Nobody else takes it before `until`. */
export function takeDue(db: Database, now: Date, until: Date, limit: number): Promise<Due[]> {
  const isDue = and(eq(deliveries.status, 'waiting'), lte(deliveries.nextAt, now));
  return db.transaction(async (tx) => {
    const turn = sql<number>`row_number() over (partition by ${webhooks.owner} order by ${deliveries.nextAt})`;
    const inTurn = tx
      .select({ id: deliveries.id, nextAt: deliveries.nextAt, turn: turn.as('turn') })
      .from(deliveries)
      .innerJoin(webhooks, eq(webhooks.id, deliveries.webhookId))
      .where(and(isDue, isNull(webhooks.disabledAt)))
      .as('in_turn');
    const next = tx
      .select({ id: inTurn.id })
      .from(inTurn)
      .where(lte(inTurn.turn, Math.ceil(limit / OWNERS_AT_ONCE)))
      .orderBy(asc(inTurn.turn), asc(inTurn.nextAt))
      .limit(limit);
    const due = await tx
      .select({ id: deliveries.id })
      .from(deliveries)
      .where(and(isDue, inArray(deliveries.id, next))) // once more: another may have taken it meanwhile
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
