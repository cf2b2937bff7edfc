/** Verifications as runners see them: leased, one at a time, and settled once. */
import { and, asc, desc, eq, inArray, lte, notExists, or, type SQL, sql } from 'drizzle-orm';
import { count } from '../observe/metrics.ts';
import { traceparent } from '../observe/trace.ts';
import type { Version } from './adapters.ts';
import type { Lease } from './leases.ts';
import type { Database } from './open.ts';
import { verifications, versions } from './schema.ts';
import { nextTurn } from './turns.ts';

export type Verification = typeof verifications.$inferSelect;
type VerificationChange = Partial<Omit<Verification, 'id' | 'adapterId' | 'number'>>;

const OPEN = sql`status in ('waiting', 'running')`;

/** Where one is open, that is it. */
export async function requestVerification(
  tx: Database,
  { adapterId, number, status }: Pick<Version, 'adapterId' | 'number' | 'status'>,
  rules: number,
): Promise<void> {
  const rerun = status === 'passed';
  await tx
    .insert(verifications)
    .values({
      id: crypto.randomUUID(),
      adapterId,
      number,
      rules,
      status: 'waiting',
      rerun,
      turn: turnOf(adapterId, rerun),
      traceparent: traceparent() ?? null,
    })
    .onConflictDoUpdate({
      target: [verifications.adapterId, verifications.number],
      targetWhere: OPEN,
      set: { rerun: sql`${verifications.rerun} and excluded.rerun` },
    });
}

const turnOf = (adapterId: string, rerun: boolean): SQL<number> =>
  nextTurn({
    table: verifications,
    open: sql`${OPEN} and rerun = ${rerun}`,
    waiting: sql`status = 'waiting'`,
    own: sql`split_part(adapter_id, '/', 1) = ${adapterId.split('/')[0]}`,
  });

/** What is published before what is listed already, owners in turn; among them those whose runner fell silent. @param of without it, of any version */
export function leaseNextVerification(
  db: Database,
  { id, runner, expiresAt }: Lease,
  now: Date,
  of?: Pick<Version, 'adapterId' | 'number'>,
): Promise<Verification | undefined> {
  return db.transaction(async (tx) => {
    const silent = and(eq(verifications.status, 'running'), lte(verifications.leaseExpiresAt, now));
    const [next] = await tx
      .select()
      .from(verifications)
      .where(
        and(
          or(eq(verifications.status, 'waiting'), silent),
          of && eq(verifications.adapterId, of.adapterId),
          of && eq(verifications.number, of.number),
        ),
      )
      .orderBy(asc(verifications.rerun), asc(verifications.turn), asc(verifications.createdAt))
      .limit(1)
      .for('update', { skipLocked: true });
    if (!next) return undefined;
    if (next.status === 'running') count('patchbay_leases_lost_total', 1, { function: 'verify' });
    return update(tx, next.id, {
      status: 'running',
      leaseId: id,
      leaseExpiresAt: expiresAt,
      runner,
      losses: next.losses + (next.status === 'running' ? 1 : 0),
    });
  });
}

/**
 * Does something that only the holder of the lease may do, with the row locked.
 * @returns undefined: the lease is over, and nothing was done
 */
export function underVerification(
  db: Database,
  leaseId: string,
  now: Date,
  work: (verification: Verification, transaction: Database) => Promise<VerificationChange>,
): Promise<Verification | undefined> {
  return db.transaction(async (tx) => {
    const [found] = await tx
      .select()
      .from(verifications)
      .where(eq(verifications.leaseId, leaseId))
      .for('update');
    if (found?.status !== 'running' || found.leaseExpiresAt! <= now) return undefined;
    return update(tx, found.id, await work(found, tx));
  });
}

async function update(tx: Database, id: string, change: VerificationChange): Promise<Verification> {
  const [changed] = await tx.update(verifications).set(change).where(eq(verifications.id, id)).returning();
  return changed!;
}

/** Newest first. */
export function listVerifications(
  db: Database,
  { adapterId, number }: Pick<Version, 'adapterId' | 'number'>,
  limit: number,
): Promise<Verification[]> {
  return db
    .select()
    .from(verifications)
    .where(and(eq(verifications.adapterId, adapterId), eq(verifications.number, number)))
    .orderBy(desc(verifications.createdAt), desc(verifications.id))
    .limit(limit);
}

/** What the gate last said of a version, if it has said anything yet. */
export async function latestVerdict(
  db: Database,
  { adapterId, number }: Pick<Version, 'adapterId' | 'number'>,
): Promise<Verification | undefined> {
  const [row] = await db
    .select()
    .from(verifications)
    .where(
      and(
        eq(verifications.adapterId, adapterId),
        eq(verifications.number, number),
        inArray(verifications.status, ['passed', 'refused']),
      ),
    )
    .orderBy(desc(verifications.finishedAt), desc(verifications.createdAt))
    .limit(1);
  return row;
}

/** Listed versions that no gate of these rules has looked at, nor is about to. */
export function unverifiedVersions(db: Database, rules: number, limit: number): Promise<Version[]> {
  const known = db
    .select({ one: sql`1` })
    .from(verifications)
    .where(
      and(
        eq(verifications.adapterId, versions.adapterId),
        eq(verifications.number, versions.number),
        or(sql`${verifications.rules} >= ${rules}`, OPEN),
      ),
    );
  return db
    .select()
    .from(versions)
    .where(and(eq(versions.status, 'passed'), notExists(known)))
    .orderBy(asc(versions.createdAt))
    .limit(limit);
}
