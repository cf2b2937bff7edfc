/** The ledger: what was used, by whom, what it costs, and who earns by it. Every report counts once. */
import { and, asc, desc, eq, isNull, lt, lte, or, sql } from 'drizzle-orm';
import type { Database } from './open.ts';
import { earnings, events, prices, spending, type UsageKind, usage, user } from './schema.ts';

export type Price = typeof prices.$inferSelect;

export interface Used {
  /** What the report is known by: a second one of the same request and kind changes nothing. */
  readonly requestId: string;
  readonly kind: UsageKind;
  readonly at: Date;
  readonly payer: string;
  readonly model: string;
  readonly baseId: string;
  /** Those that answered; one of which two versions did is there twice. */
  readonly adapterIds: readonly string[];
  readonly quantity: number;
}

export const monthOf = (time: Date): string => time.toISOString().slice(0, 7);

/** @returns false: it was reported before */
export function recordUsage(db: Database, used: Used): Promise<boolean> {
  const { requestId, kind, at, payer, model, baseId, adapterIds, quantity } = used;
  const month = monthOf(at);
  return db.transaction(async (tx) => {
    const price = await priceOf(tx, baseId, kind, at);
    const charge = Math.round(quantity * (price?.perUnit ?? 0));
    const added = await tx
      .insert(usage)
      .values({ requestId, kind, at, month, payer, model, quantity, charge })
      .onConflictDoNothing()
      .returning({ id: usage.id });
    if (added.length === 0) return false;
    if (charge > 0) await addSpending(tx, payer, month, charge);
    // Nobody earns by what they use themselves.
    const paid = Map.groupBy(
      adapterIds.filter((id) => id.split('/')[0] !== payer),
      (id) => id,
    );
    const amount = Math.floor((charge * (price?.ownersShare ?? 0)) / Math.max(1, adapterIds.length));
    if (amount > 0 && paid.size > 0)
      await tx.insert(earnings).values(
        [...paid].map(([adapterId, { length: times }]) => ({
          requestId,
          kind,
          adapterId,
          payee: adapterId.split('/')[0]!,
          month,
          amount: amount * times,
        })),
      );
    return true;
  });
}

async function addSpending(tx: Database, payer: string, month: string, charge: number): Promise<void> {
  await tx
    .insert(spending)
    .values({ payer, month, charge })
    .onConflictDoUpdate({
      target: [spending.payer, spending.month],
      set: { charge: sql`${spending.charge} + ${charge}` },
    });
}

/** The base's own price where it has one, else that of all; the newest that holds at this time. */
async function priceOf(db: Database, baseId: string, kind: UsageKind, at: Date): Promise<Price | undefined> {
  const [row] = await db
    .select()
    .from(prices)
    .where(
      and(eq(prices.kind, kind), or(eq(prices.baseId, baseId), isNull(prices.baseId)), lte(prices.since, at)),
    )
    .orderBy(sql`${prices.baseId} is null`, desc(prices.since), desc(prices.id))
    .limit(1);
  return row;
}

export function listPrices(db: Database): Promise<Price[]> {
  return db.select().from(prices).orderBy(desc(prices.since), desc(prices.id));
}

export async function addPrice(
  db: Database,
  price: typeof prices.$inferInsert,
  actor: string,
): Promise<Price> {
  const [made] = await db.insert(prices).values(price).returning();
  const { kind, perUnit, ownersShare, baseId } = made!;
  const data = { kind, perUnit, ownersShare };
  await db.insert(events).values({ actor, kind: 'price.added', subject: baseId ?? '*', data });
  return made!;
}

/** What was spent this month, and the most that may be. */
export async function budgetOf(
  db: Database,
  payer: string,
  month: string,
): Promise<{ spent: number; cap: number | null }> {
  const [row] = await db
    .select({ cap: user.monthlyCap, spent: spending.charge })
    .from(user)
    .leftJoin(spending, and(eq(spending.payer, user.name), eq(spending.month, month)))
    .where(eq(user.name, payer));
  return { spent: row?.spent ?? 0, cap: row?.cap ?? null };
}

export async function setCap(db: Database, payer: string, cap: number | null, actor: string): Promise<void> {
  await db.update(user).set({ monthlyCap: cap }).where(eq(user.name, payer));
  await db.insert(events).values({ actor, kind: 'spending.cap', subject: payer, data: { cap } });
}

const total = (column: typeof usage.quantity | typeof usage.charge | typeof earnings.amount) =>
  sql<number>`sum(${column})::float8`;

/** By model and kind. */
export function usageOf(db: Database, payer: string, month: string) {
  return db
    .select({
      model: usage.model,
      kind: usage.kind,
      quantity: total(usage.quantity),
      charge: total(usage.charge),
    })
    .from(usage)
    .where(and(eq(usage.payer, payer), eq(usage.month, month)))
    .groupBy(usage.model, usage.kind)
    .orderBy(asc(usage.model), asc(usage.kind));
}

/** By adapter and kind. */
export function earningsOf(db: Database, payee: string, month: string) {
  return db
    .select({ adapter: earnings.adapterId, kind: earnings.kind, amount: total(earnings.amount) })
    .from(earnings)
    .where(and(eq(earnings.payee, payee), eq(earnings.month, month)))
    .groupBy(earnings.adapterId, earnings.kind)
    .orderBy(asc(earnings.adapterId), asc(earnings.kind));
}

/** What was used in a month's last moments is entered a little later, by servers whose clocks differ a little. */
const CLOSING_MS = 3_600_000;

/** Closes the months before this one, an hour after their end: an event each, for whoever takes the payment. @returns how many */
export function closeMonths(db: Database, now: Date): Promise<number> {
  const open = monthOf(new Date(now.getTime() - CLOSING_MS));
  return db.transaction(async (tx) => {
    const closed = await tx
      .update(spending)
      .set({ closedAt: now })
      .where(and(lt(spending.month, open), isNull(spending.closedAt)))
      .returning();
    if (closed.length > 0)
      await tx.insert(events).values(
        closed.map(({ payer, month, charge }) => ({
          actor: null,
          kind: 'statement.closed',
          subject: payer,
          data: { month, charge, currency: 'USD', unit: 'nanodollar' },
        })),
      );
    return closed.length;
  });
}
