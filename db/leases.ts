/**
 * Training jobs as runners see them. A lease is an id and a time on the job's row; every change a runner asks for is made
 * with that row locked and the lease checked, so a runner that was thought dead cannot disturb its successor.
 */
import { and, asc, eq, isNotNull, lte } from 'drizzle-orm';
import { count } from '../observe/metrics.ts';
import type { Database } from './open.ts';
import type { TrainingQueue } from './queue.ts';
import { type CheckpointFile, trainingCheckpoints, trainingEvents, trainingJobs } from './schema.ts';
import {
  type Job,
  type JobChange,
  type JobCheckpoint,
  note,
  requeue,
  updateJob,
  waitingStatus,
} from './training.ts';

export interface Lease {
  readonly id: string;
  readonly runner: string;
  readonly expiresAt: Date;
}

/** Leases the job whose turn it is. Messages of jobs that wait no longer, or for another turn, are dropped. */
export function leaseNextJob(db: Database, queue: TrainingQueue, lease: Lease): Promise<Job | undefined> {
  return db.transaction(async (tx) => {
    for (;;) {
      const queued = await queue.take(tx);
      if (!queued) return undefined;
      const [job] = await tx
        .select()
        .from(trainingJobs)
        .where(and(eq(trainingJobs.id, queued.jobId), eq(trainingJobs.turn, queued.turn)))
        .for('update');
      if (!job || job.leaseExpiresAt || job.status !== waitingStatus(job)) continue;
      const leased = await updateJob(tx, job.id, {
        leaseId: lease.id,
        leaseExpiresAt: lease.expiresAt,
        ...(job.decided ? { status: 'running' as const } : {}),
      });
      await note(tx, job.id, `Runner ${lease.runner} took the job`);
      return leased;
    }
  });
}

export async function findLeased(db: Database, leaseId: string): Promise<Job | undefined> {
  const [job] = await db.select().from(trainingJobs).where(eq(trainingJobs.leaseId, leaseId));
  return job;
}

export const isLive = ({ leaseExpiresAt }: Job, now: Date): boolean =>
  leaseExpiresAt !== null && leaseExpiresAt > now;

/**
 * Does something that only the holder of the lease may do, with the job's row locked.
 * @returns undefined: the lease is over, and nothing was done; else the job as it is now
 */
export function underLease(
  db: Database,
  leaseId: string,
  now: Date,
  work: (job: Job, transaction: Database) => Promise<JobChange | undefined>,
): Promise<Job | undefined> {
  return db.transaction(async (tx) => {
    const [job] = await tx.select().from(trainingJobs).where(eq(trainingJobs.leaseId, leaseId)).for('update');
    if (!job || !isLive(job, now)) return undefined;
    const change = await work(job, tx);
    return change ? updateJob(tx, job.id, change) : job;
  });
}

export interface ReportedEvent {
  readonly sequence: number;
  readonly type: 'message' | 'metrics';
  readonly step?: number | undefined;
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly data: Record<string, unknown>;
}

/** Adds those that are not there yet: by sequence, and metrics by step. */
export async function addEvents(
  db: Database,
  jobId: string,
  leaseId: string,
  events: readonly ReportedEvent[],
): Promise<void> {
  const rows = events.map(({ step, ...event }) => ({ ...event, step: step ?? null, jobId, leaseId }));
  await db.insert(trainingEvents).values(rows).onConflictDoNothing();
}

/** @returns the files as they were declared first under this lease */
export async function declareCheckpoint(
  db: Database,
  checkpoint: { id: string; jobId: string; step: number; leaseId: string; files: CheckpointFile[] },
): Promise<JobCheckpoint> {
  await db.insert(trainingCheckpoints).values(checkpoint).onConflictDoNothing();
  return (await findDeclared(db, checkpoint.jobId, checkpoint.step, checkpoint.leaseId))!;
}

export async function findDeclared(
  db: Database,
  jobId: string,
  step: number,
  leaseId: string,
): Promise<JobCheckpoint | undefined> {
  const [row] = await db
    .select()
    .from(trainingCheckpoints)
    .where(
      and(
        eq(trainingCheckpoints.jobId, jobId),
        eq(trainingCheckpoints.step, step),
        eq(trainingCheckpoints.leaseId, leaseId),
      ),
    );
  return row;
}

/** Whether a checkpoint of this step is kept, under whichever lease it came. */
export async function isKept(db: Database, jobId: string, step: number): Promise<boolean> {
  const rows = await db
    .select({ id: trainingCheckpoints.id })
    .from(trainingCheckpoints)
    .where(
      and(
        eq(trainingCheckpoints.jobId, jobId),
        eq(trainingCheckpoints.step, step),
        isNotNull(trainingCheckpoints.metrics),
      ),
    );
  return rows.length > 0;
}

export async function keepCheckpoint(
  db: Database,
  id: string,
  metrics: Record<string, number | null>,
  createdAt: Date,
): Promise<void> {
  await db.update(trainingCheckpoints).set({ metrics, createdAt }).where(eq(trainingCheckpoints.id, id));
}

/** What becomes of a job whose runner gave it up, or was lost: what no checkpoint kept was never trained. */
export async function giveBack(db: Database, queue: TrainingQueue, job: Job, now: Date): Promise<JobChange> {
  const left = { leaseExpiresAt: null, trainedTokens: job.meteredTokens || null };
  if (job.pausing) return { ...left, status: 'paused', pausing: false };
  return { ...left, ...(await requeue(db, queue, job, now)) };
}

interface Loss {
  /** A job that loses more runners in a row, without a new checkpoint, is what kills them. */
  readonly retries: number;
  /** For the job's owner, where another runner goes on. */
  readonly note: string;
  /** Why the job fails where none does. */
  readonly code: string;
  readonly message: string;
}

/** What becomes of a job of which a runner has kept nothing: some such in a row, and it fails. */
export async function lose(
  db: Database,
  queue: TrainingQueue,
  job: Job,
  now: Date,
  { retries, note: told, code, message }: Loss,
): Promise<JobChange> {
  const losses = job.losses + 1;
  if (losses <= retries || job.pausing) {
    await note(db, job.id, told, 'warn');
    return { ...(await giveBack(db, queue, job, now)), losses };
  }
  await note(db, job.id, message, 'error');
  const error = { code, message, param: null };
  count('patchbay_jobs_ended_total', 1, { status: 'failed' });
  return { status: 'failed', error, finishedAt: now, leaseExpiresAt: null, losses };
}

/** Takes jobs back from runners that went silent. @param retries that a job has @returns how many */
export function endExpiredLeases(
  db: Database,
  queue: TrainingQueue,
  retries: number,
  now: Date,
): Promise<number> {
  return db.transaction(async (tx) => {
    const lost = await tx
      .select()
      .from(trainingJobs)
      .where(lte(trainingJobs.leaseExpiresAt, now))
      .orderBy(asc(trainingJobs.leaseExpiresAt))
      .for('update', { skipLocked: true });
    for (const job of lost) {
      const change = await lose(tx, queue, job, now, {
        retries,
        note: 'The runner went silent; another one continues from the last checkpoint',
        code: 'runner_lost',
        message: `${job.losses + 1} runners in a row went silent while they worked on this job.`,
      });
      await updateJob(tx, job.id, change);
    }
    count('patchbay_leases_lost_total', lost.length, { function: 'train' });
    return lost.length;
  });
}
