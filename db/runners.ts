/** The runners there are, and how much each base is asked for. */
import { eq, gt, lte, type SQL, sql } from 'drizzle-orm';
import type { Database } from './open.ts';
import { baseDemand, baseFiles, bases, runners } from './schema.ts';

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

/** Adds to what bases were asked for. @param arrivals answers by base id. @returns all that there ever were of these, by whoever */
export async function addArrivals(
  db: Database,
  arrivals: ReadonlyMap<string, number>,
): Promise<ReadonlyMap<string, number>> {
  const rows = [...arrivals].map(([baseId, count]) => ({ baseId, arrivals: count }));
  const totals = await db
    .insert(baseDemand)
    .values(rows)
    .onConflictDoUpdate({
      target: baseDemand.baseId,
      set: { arrivals: sql`${baseDemand.arrivals} + excluded.arrivals`, askedAt: NOW },
    })
    .returning({ baseId: baseDemand.baseId, arrivals: baseDemand.arrivals });
  return new Map(totals.map(({ baseId, arrivals }) => [baseId, arrivals]));
}

export interface BaseDemand {
  readonly baseId: string;
  readonly digest: string;
  /** Of the weights. */
  readonly bytes: number;
  /** Answers asked for, ever. */
  readonly arrivals: number;
  /** Since somebody asked. */
  readonly idleSeconds: number;
  /** The database's clock. */
  readonly atSeconds: number;
  readonly state: Record<string, number> | null;
}

const epoch = (time: SQL) => sql<number>`extract(epoch from ${time})::double precision`;

/** Of all bases that anybody ever asked for. */
export function demands(db: Database): Promise<BaseDemand[]> {
  const bytes = sql<number>`(select coalesce(sum(${baseFiles.size}), 0)::double precision from ${baseFiles}
    where ${baseFiles.baseId} = ${bases.id} and ${baseFiles.path} like '%.safetensors')`;
  return db
    .select({
      baseId: baseDemand.baseId,
      digest: bases.digest,
      bytes,
      arrivals: baseDemand.arrivals,
      idleSeconds: epoch(sql`now() - ${baseDemand.askedAt}`),
      atSeconds: epoch(NOW),
      state: baseDemand.state,
    })
    .from(baseDemand)
    .innerJoin(bases, eq(bases.id, baseDemand.baseId))
    .orderBy(baseDemand.baseId);
}

export async function setDesired(
  db: Database,
  baseId: string,
  desired: number,
  state: Record<string, number>,
): Promise<void> {
  await db.update(baseDemand).set({ desired, state }).where(eq(baseDemand.baseId, baseId));
}
