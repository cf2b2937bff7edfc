/** Tasks: made, listed and cancelled by whoever asked for them, and worked on by runners under leases. */
import { and, asc, count, desc, eq, inArray, lte, ne, type SQL, sql } from 'drizzle-orm';
import { count as tally } from '../observe/metrics.ts';
import type { Lease } from './leases.ts';
import type { Database } from './open.ts';
import { files, tasks } from './schema.ts';
import { nextTurn } from './turns.ts';

export type Task = typeof tasks.$inferSelect;
export type TaskChange = Partial<Omit<Task, 'id' | 'function' | 'userId' | 'order'>>;

/** Nothing of such a task changes any more, but for its files, which expire. */
export const isOver = ({ status }: Pick<Task, 'status'>): boolean =>
  status !== 'queued' && status !== 'running';

/**
 * @param needed files: locked, so that none is deleted meanwhile
 * @returns the one that there is, where the same user has used its key before; undefined: one of them is gone
 */
export function insertTask(
  db: Database,
  task: typeof tasks.$inferInsert,
  needed: readonly string[],
): Promise<Task | undefined> {
  return db.transaction(async (tx) => {
    const there = await tx.select({ id: files.id }).from(files).where(inArray(files.id, needed)).for('share');
    if (there.length < new Set(needed).size) return undefined;
    const [made] = await tx
      .insert(tasks)
      .values({ ...task, turn: turnOf(task.userId) })
      .onConflictDoNothing()
      .returning();
    return made ?? findByKey(tx, task.userId, task.idempotencyKey!);
  });
}

const turnOf = (userId: string): SQL<number> =>
  nextTurn({
    table: tasks,
    open: sql`status in ('queued', 'running')`,
    waiting: sql`status = 'queued'`,
    own: sql`user_id = ${userId}`,
  });

export async function findByKey(
  db: Database,
  userId: string,
  idempotencyKey: string,
): Promise<Task | undefined> {
  const [row] = await db
    .select()
    .from(tasks)
    .where(and(eq(tasks.userId, userId), eq(tasks.idempotencyKey, idempotencyKey)));
  return row;
}

export async function findTask(db: Database, id: string): Promise<Task | undefined> {
  const [row] = await db.select().from(tasks).where(eq(tasks.id, id));
  return row;
}

/** Of one user, those that are not over. */
export async function countOpen(db: Database, userId: string): Promise<number> {
  const [row] = await db
    .select({ open: count() })
    .from(tasks)
    .where(and(eq(tasks.userId, userId), inArray(tasks.status, ['queued', 'running'])));
  return row!.open;
}

/** Newest first. @param after the last task of the page before @returns up to one more than `limit`: then there is another page */
export function listTasks(
  db: Database,
  userId: string,
  { limit, after }: { limit: number; after: Task | undefined },
): Promise<Task[]> {
  const where: (SQL | undefined)[] = [
    eq(tasks.userId, userId),
    after &&
      sql`(${tasks.createdAt}, ${tasks.id}) < (${after.createdAt.toISOString()}::timestamptz, ${after.id})`,
  ];
  return db
    .select()
    .from(tasks)
    .where(and(...where))
    .orderBy(desc(tasks.createdAt), desc(tasks.id))
    .limit(limit + 1);
}

/** Changes a task with its row locked. @param decide undefined: nothing changes; what it throws undoes everything */
export function changeTask(
  db: Database,
  which: { readonly id: string } | { readonly leaseId: string },
  decide: (task: Task, transaction: Database) => Promise<TaskChange | undefined>,
): Promise<Task | undefined> {
  return db.transaction(async (tx) => {
    const where = 'id' in which ? eq(tasks.id, which.id) : eq(tasks.leaseId, which.leaseId);
    const [task] = await tx.select().from(tasks).where(where).for('update');
    if (!task) return undefined;
    const change = await decide(task, tx);
    return change ? update(tx, task.id, change) : task;
  });
}

export async function findByLease(db: Database, leaseId: string): Promise<Task | undefined> {
  const [row] = await db.select().from(tasks).where(eq(tasks.leaseId, leaseId));
  return row;
}

/** Leases the one whose turn it is, of these functions. */
export function leaseNextTask(
  db: Database,
  functions: readonly string[],
  { id, runner, expiresAt }: Lease,
  now: Date,
): Promise<Task | undefined> {
  return db.transaction(async (tx) => {
    const [next] = await tx
      .select()
      .from(tasks)
      .where(and(eq(tasks.status, 'queued'), inArray(tasks.function, [...functions])))
      .orderBy(asc(tasks.turn), asc(tasks.createdAt))
      .limit(1)
      .for('update', { skipLocked: true });
    if (!next) return undefined;
    return update(tx, next.id, {
      status: 'running',
      startedAt: next.startedAt ?? now,
      leaseId: id,
      leaseExpiresAt: expiresAt,
      runner,
      progress: null,
    });
  });
}

/** A task that waits for a runner again. */
export const requeued = (now: Date): TaskChange => ({
  status: 'queued',
  waitingSince: now,
  leaseExpiresAt: null,
  progress: null,
});

/** What becomes of a task whose runner failed, or fell silent. @param retries that it has */
export function lost(task: Task, retries: number, now: Date): TaskChange {
  const losses = task.losses + 1;
  if (losses <= retries) return { ...requeued(now), losses };
  const message = `${losses} runners failed, or went silent, while they worked on it.`;
  return {
    status: 'failed',
    error: { code: 'runner_lost', message },
    finishedAt: now,
    filesExpireAt: now,
    leaseExpiresAt: null,
    losses,
  };
}

/** Takes tasks back from runners that went silent. @param retriesOf a function @returns how many */
export function endExpiredTasks(
  db: Database,
  retriesOf: (name: string) => number,
  now: Date,
): Promise<number> {
  return db.transaction(async (tx) => {
    const silent = await tx
      .select()
      .from(tasks)
      .where(and(eq(tasks.status, 'running'), lte(tasks.leaseExpiresAt, now)))
      .for('update', { skipLocked: true });
    for (const task of silent) {
      await update(tx, task.id, lost(task, retriesOf(task.function), now));
      tally('patchbay_leases_lost_total', 1, { function: task.function });
    }
    return silent.length;
  });
}

/** With files that nobody may have any more: they have expired, or the task came to nothing. */
export function spentTasks(db: Database, now: Date, limit: number): Promise<Task[]> {
  return db
    .select()
    .from(tasks)
    .where(and(ne(tasks.files, []), lte(tasks.filesExpireAt, now)))
    .limit(limit);
}

export async function forgetTaskFiles(db: Database, id: string): Promise<void> {
  await db.update(tasks).set({ files: [], filesExpireAt: null }).where(eq(tasks.id, id));
}

/** Of these keys in the object store, those that a task names. */
export async function taskFilesOf(db: Database, keys: readonly string[]): Promise<Set<string>> {
  const ids = [...new Set(keys.map((key) => key.split('/')[1]!))];
  const rows = await db.select({ files: tasks.files }).from(tasks).where(inArray(tasks.id, ids));
  return new Set(rows.flatMap((row) => row.files.map(({ key }) => key)));
}

async function update(tx: Database, id: string, change: TaskChange): Promise<Task> {
  const [row] = await tx.update(tasks).set(change).where(eq(tasks.id, id)).returning();
  return row!;
}
