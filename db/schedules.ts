/**
 * When each scheduled function is due, and who runs it. One statement claims a tick: whoever inserts or updates the row has it, and
 * whoever comes at the same moment waits for the row's lock, sees the new time, and has not. The clock is the database's, for all: the
 * servers' clocks may differ.
 */
import { and, eq, sql } from 'drizzle-orm';
import type { Database } from './open.ts';
import { schedules } from './schema.ts';

export type Claim =
  | { readonly isMine: true; readonly id: string }
  | { readonly isMine: false; readonly dueInMs: number };

const inSeconds = (seconds: number) => sql`now() + make_interval(secs => ${seconds})`;

/** @param leaseSeconds for so long nobody else runs it, unless it ends before */
export async function claimTick(
  db: Database,
  name: string,
  { everySeconds, leaseSeconds }: { everySeconds: number; leaseSeconds: number },
): Promise<Claim> {
  const id = crypto.randomUUID();
  const claim = {
    claimId: id,
    startedAt: sql`now()`,
    nextAt: inSeconds(everySeconds),
    leaseExpiresAt: inSeconds(leaseSeconds),
  };
  const claimed = await db
    .insert(schedules)
    .values({ name, ...claim })
    .onConflictDoUpdate({
      target: schedules.name,
      set: claim,
      setWhere: sql`${schedules.nextAt} <= now() and ${schedules.leaseExpiresAt} <= now()`,
    })
    .returning({ name: schedules.name });
  if (claimed.length > 0) return { isMine: true, id };
  const [row] = await db
    .select({
      seconds: sql<number>`extract(epoch from greatest(${schedules.nextAt}, ${schedules.leaseExpiresAt}) - now())::float8`,
    })
    .from(schedules)
    .where(eq(schedules.name, name));
  // A lease of many minutes is usually given back in seconds: looked at again no later than when it would be due anyway.
  const seconds = Math.min(row?.seconds ?? 0, everySeconds);
  return { isMine: false, dueInMs: Math.max(1, Math.ceil(seconds * 1000)) };
}

/** Notes what came of it; of a claim that was taken over meanwhile, nothing. */
export async function endTick(
  db: Database,
  name: string,
  claimId: string,
  outcome: { result: unknown } | { error: string },
): Promise<void> {
  await db
    .update(schedules)
    .set({ leaseExpiresAt: sql`now()`, finishedAt: sql`now()`, result: null, error: null, ...outcome })
    .where(and(eq(schedules.name, name), eq(schedules.claimId, claimId)));
}
