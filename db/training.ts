/** Training jobs as their owners see them: made, listed, paused, resumed, cancelled, with their events and checkpoints. */
import {
  and,
  asc,
  desc,
  eq,
  exists,
  getTableColumns,
  gt,
  inArray,
  isNotNull,
  lt,
  ne,
  or,
  type SQL,
  sql,
} from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import type { Database } from './open.ts';
import type { TrainingQueue } from './queue.ts';
import { events, files, trainingCheckpoints, trainingEvents, trainingJobs } from './schema.ts';
import { nextTurn } from './turns.ts';

export type Job = typeof trainingJobs.$inferSelect;
export type JobEvent = typeof trainingEvents.$inferSelect;
export type JobCheckpoint = typeof trainingCheckpoints.$inferSelect;

export type JobChange = Partial<Omit<Job, 'id'>>;

/** Nothing of such a job changes any more. */
export const isOver = ({ status }: Pick<Job, 'status'>): boolean =>
  status === 'succeeded' || status === 'failed' || status === 'cancelled';

/** Where a job is that waits for a runner. */
export const waitingStatus = ({ decided }: Pick<Job, 'decided'>) => (decided ? 'queued' : 'validating_files');

/** Into the queue, to be taken by a runner; where it was given back, before all whose turn comes later. @returns what changes of the job */
export async function requeue(db: Database, queue: TrainingQueue, job: Job, now: Date): Promise<JobChange> {
  await queue.put(db, job);
  return { status: waitingStatus(job), waitingSince: now };
}

/** After a pause it queues anew: else who pauses many jobs could keep their place. @returns what changes of the job */
export async function requeueLast(
  db: Database,
  queue: TrainingQueue,
  job: Job,
  now: Date,
): Promise<JobChange> {
  const [next] = await db
    .select({ turn: turnOf(job.target) })
    .from(trainingJobs)
    .where(eq(trainingJobs.id, job.id));
  return { ...next, ...(await requeue(db, queue, { ...job, ...next }, now)) };
}

const turnOf = (target: string): SQL<number> =>
  nextTurn({
    table: trainingJobs,
    open: sql`status in ('validating_files', 'queued', 'running')`,
    waiting: sql`status <> 'running' and lease_expires_at is null`,
    own: sql`split_part(target, '/', 1) = ${target.split('/')[0]}`,
  });

/** Makes the job and puts it into the queue, both or neither. @returns undefined: one of its files is gone */
export function insertJob(
  db: Database,
  queue: TrainingQueue,
  job: typeof trainingJobs.$inferInsert,
): Promise<Job | undefined> {
  return db.transaction(async (tx) => {
    const needed = [job.trainingFile, job.validationFile].filter((id) => id != null);
    const there = await tx.select({ id: files.id }).from(files).where(inArray(files.id, needed)).for('share');
    if (there.length < new Set(needed).size) return undefined;
    const [made] = await tx
      .insert(trainingJobs)
      .values({ ...job, turn: turnOf(job.target) })
      .returning();
    await queue.put(tx, made!);
    await note(tx, made!.id, `Created fine-tuning job: ${made!.id}`);
    await note(tx, made!.id, `Validating training file: ${needed.join(' and ')}`);
    return made!;
  });
}

/** An event of the API's own. */
export async function note(
  db: Database,
  jobId: string,
  message: string,
  level: JobEvent['level'] = 'info',
): Promise<void> {
  await db.insert(trainingEvents).values({ jobId, type: 'message', level, message, data: {} });
}

export async function findJob(db: Database, id: string): Promise<Job | undefined> {
  const [row] = await db.select().from(trainingJobs).where(eq(trainingJobs.id, id));
  return row;
}

/** Newest first. @returns up to one more than `limit`: then there is another page */
export function listJobs(
  db: Database,
  userId: string,
  page: { limit: number; after: Job | undefined; metadata: Readonly<Record<string, string>> },
): Promise<Job[]> {
  const { limit, after, metadata } = page;
  const where: (SQL | undefined)[] = [
    eq(trainingJobs.userId, userId),
    Object.keys(metadata).length === 0
      ? undefined
      : sql`${trainingJobs.metadata} @> ${JSON.stringify(metadata)}::jsonb`,
    after &&
      sql`(${trainingJobs.createdAt}, ${trainingJobs.id}) < (${after.createdAt.toISOString()}::timestamptz, ${after.id})`,
  ];
  return db
    .select()
    .from(trainingJobs)
    .where(and(...where))
    .orderBy(desc(trainingJobs.createdAt), desc(trainingJobs.id))
    .limit(limit + 1);
}

/**
 * Changes a job while its row is locked, so that of two changes at once the later one sees the earlier one's.
 * @param decide what changes; undefined: nothing. What it throws undoes everything.
 */
export function changeJob(
  db: Database,
  id: string,
  decide: (job: Job, transaction: Database) => Promise<JobChange | undefined>,
): Promise<Job | undefined> {
  return db.transaction(async (tx) => {
    const [job] = await tx.select().from(trainingJobs).where(eq(trainingJobs.id, id)).for('update');
    if (!job) return undefined;
    const change = await decide(job, tx);
    return change ? updateJob(tx, id, change) : job;
  });
}

/** Jobs whose result is this version, and that wait for its verdict. */
export async function submittedJobs(
  db: Database,
  { adapterId, number }: { adapterId: string; number: number },
): Promise<string[]> {
  const rows = await db
    .select({ id: trainingJobs.id })
    .from(trainingJobs)
    .where(
      and(
        eq(trainingJobs.target, adapterId),
        eq(trainingJobs.submitted, number),
        eq(trainingJobs.status, 'running'),
      ),
    );
  return rows.map(({ id }) => id);
}

export async function updateJob(db: Database, id: string, change: JobChange): Promise<Job> {
  const [row] = await db.update(trainingJobs).set(change).where(eq(trainingJobs.id, id)).returning();
  if (change.status && isOver(row!)) await tellEnd(db, row!);
  return row!;
}

function tellEnd(db: Database, { id, status, target, userId, fineTunedModel, error }: Job) {
  const data = { job: id, model: fineTunedModel, error: error?.message ?? null };
  return db.insert(events).values({ actor: userId, kind: `job.${status}`, subject: target, data });
}

/** Newest first. @param before the number of the last event of the page before */
export function listEvents(
  db: Database,
  jobId: string,
  limit: number,
  before: number | undefined,
): Promise<JobEvent[]> {
  return db
    .select()
    .from(trainingEvents)
    .where(
      and(eq(trainingEvents.jobId, jobId), before === undefined ? undefined : lt(trainingEvents.id, before)),
    )
    .orderBy(desc(trainingEvents.id))
    .limit(limit + 1);
}

/** What a job told of its steps and evaluations, in their order. */
export async function figuresOf(db: Database, jobId: string): Promise<Record<string, unknown>[]> {
  const { step, data } = trainingEvents;
  const rows = await db
    .select({ step, data })
    .from(trainingEvents)
    .where(and(eq(trainingEvents.jobId, jobId), or(isNotNull(step), sql`${data} ? 'valid_loss'`)))
    .orderBy(asc(trainingEvents.id));
  return rows.map((row) => ({ step: row.step, ...row.data }));
}

/** Those that are kept, latest first. @param before the step of the last checkpoint of the page before */
export function listCheckpoints(
  db: Database,
  jobId: string,
  limit: number,
  before?: number,
): Promise<JobCheckpoint[]> {
  return db
    .select()
    .from(trainingCheckpoints)
    .where(
      and(
        eq(trainingCheckpoints.jobId, jobId),
        isNotNull(trainingCheckpoints.metrics),
        before === undefined ? undefined : lt(trainingCheckpoints.step, before),
      ),
    )
    .orderBy(desc(trainingCheckpoints.step))
    .limit(limit + 1);
}

/** With files, of jobs that were over before; those that never arrived among them. */
export function spentCheckpoints(db: Database, before: Date, limit: number): Promise<JobCheckpoint[]> {
  return db
    .select(getTableColumns(trainingCheckpoints))
    .from(trainingCheckpoints)
    .innerJoin(trainingJobs, eq(trainingJobs.id, trainingCheckpoints.jobId))
    .where(and(lt(trainingJobs.finishedAt, before), ne(trainingCheckpoints.files, [])))
    .limit(limit);
}

/** With the state of a job that will not go on from it: a later one was kept before, or the job was over. */
export function passedCheckpoints(db: Database, before: Date, limit: number): Promise<JobCheckpoint[]> {
  const later = alias(trainingCheckpoints, 'later');
  const isPassed = db
    .select({ one: sql`1` })
    .from(later)
    .where(
      and(
        eq(later.jobId, trainingCheckpoints.jobId),
        gt(later.step, trainingCheckpoints.step),
        isNotNull(later.metrics),
        lt(later.createdAt, before),
      ),
    );
  return db
    .select(getTableColumns(trainingCheckpoints))
    .from(trainingCheckpoints)
    .innerJoin(trainingJobs, eq(trainingJobs.id, trainingCheckpoints.jobId))
    .where(
      and(
        sql`${trainingCheckpoints.files} @> '[{"path": "job.safetensors"}]'`, // as its index says it
        or(lt(trainingJobs.finishedAt, before), exists(isPassed)),
      ),
    )
    .limit(limit);
}

/** Once others are removed. @param files that are left */
export async function keepCheckpointFiles(
  db: Database,
  id: string,
  files: JobCheckpoint['files'],
): Promise<void> {
  await db.update(trainingCheckpoints).set({ files }).where(eq(trainingCheckpoints.id, id));
}

/** Of these keys in the object store, those that a checkpoint names. */
export async function checkpointsOf(db: Database, keys: readonly string[]): Promise<Set<string>> {
  const jobs = [...new Set(keys.map((key) => key.split('/')[1]!))];
  const rows = await db
    .select({ files: trainingCheckpoints.files })
    .from(trainingCheckpoints)
    .where(inArray(trainingCheckpoints.jobId, jobs));
  return new Set(rows.flatMap(({ files }) => files.map(({ key }) => key)));
}

export async function findCheckpoint(
  db: Database,
  jobId: string,
  id: string,
): Promise<JobCheckpoint | undefined> {
  const [row] = await db
    .select()
    .from(trainingCheckpoints)
    .where(and(eq(trainingCheckpoints.jobId, jobId), eq(trainingCheckpoints.id, id)));
  return row;
}

/** One that is kept, by what its job trains. @param target owner/name */
export async function findCheckpointOf(
  db: Database,
  target: string,
  id: string,
): Promise<{ job: Job; checkpoint: JobCheckpoint } | undefined> {
  const [row] = await db
    .select({ job: trainingJobs, checkpoint: trainingCheckpoints })
    .from(trainingCheckpoints)
    .innerJoin(trainingJobs, eq(trainingJobs.id, trainingCheckpoints.jobId))
    .where(
      and(
        eq(trainingCheckpoints.id, id),
        eq(trainingJobs.target, target),
        isNotNull(trainingCheckpoints.metrics),
      ),
    );
  return row;
}
