/** The runners there are, and how much each base is asked for. */
import { eq, gt, lte, sql } from 'drizzle-orm';
import type { Database } from './open.ts';
import { baseDemand, runners } from './schema.ts';

export interface KnownRunner {
  readonly url: string;
  /** As it was reported. */
  readonly health: object;
  /** Since it was heard of. */
  readonly silentMs: number;
}

const NOW = sql`now()`;
const ago = (ms: number) => sql`now() - make_interval(secs => ${ms / 1000})`;

/** A runner is known by where it is: one that was started again there goes on in the same row. */
export async function reportRunner(db: Database, url: string, health: object): Promise<void> {
  await db
    .insert(runners)
    .values({ url, health })
    .onConflictDoUpdate({ target: runners.url, set: { health, heardAt: NOW } });
}

export async function runnerLeft(db: Database, url: string): Promise<void> {
  await db.delete(runners).where(eq(runners.url, url));
}

/** Those that were heard of in the last `silentMs`. */
export function liveRunners(db: Database, silentMs: number): Promise<KnownRunner[]> {
  return db
    .select({
      url: runners.url,
      health: runners.health,
      silentMs: sql<number>`(extract(epoch from now() - ${runners.heardAt}) * 1000)::double precision`,
    })
    .from(runners)
    .where(gt(runners.heardAt, ago(silentMs)))
    .orderBy(runners.url);
}

export async function forgetRunners(db: Database, silentMs: number): Promise<void> {
  await db.delete(runners).where(lte(runners.heardAt, ago(silentMs)));
}

/** Adds to what bases were asked for. @param arrivals answers by base id */
export async function addArrivals(db: Database, arrivals: ReadonlyMap<string, number>): Promise<void> {
  const rows = [...arrivals].map(([baseId, count]) => ({ baseId, arrivals: count }));
  await db
    .insert(baseDemand)
    .values(rows)
    .onConflictDoUpdate({
      target: baseDemand.baseId,
      set: { arrivals: sql`${baseDemand.arrivals} + excluded.arrivals`, askedAt: NOW },
    });
}
