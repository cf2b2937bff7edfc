/**
 * The queue of training jobs: pg-boss, in the same database. A message says no more than "this job waits for a runner", and
 * is put and taken in the transaction that changes the job's row: so neither can be without the other.
 */
import { sql } from 'drizzle-orm';
import { type DrizzleTransactionLike, fromDrizzle, fromPglite, PgBoss, systemClock } from 'pg-boss';
import { z } from 'zod';
import type { Database, OpenDatabase } from './open.ts';

const QUEUE = 'train';
const YEAR_SECONDS = 365 * 24 * 3600;
/** Connections of its own, where the database is a server: for its housekeeping only. */
const CONNECTIONS = 2;

/** The transaction as pg-boss runs statements in it; drizzle does not say what its drivers answer. */
const within = (transaction: Database) => fromDrizzle(transaction as unknown as DrizzleTransactionLike, sql);

/** (Of a release before there were turns, all are the first.) */
const Message = z.object({ jobId: z.string(), turn: z.int().default(0) });

/** What waits in the queue: a job, where its turn has not changed since. */
export type QueuedJob = z.infer<typeof Message>;

export interface TrainingQueue {
  put(transaction: Database, job: { readonly id: string; readonly turn: number }): Promise<void>;
  /** The job whose turn it is; of several, the one that was put first. Gone from the queue once the transaction commits. */
  take(transaction: Database): Promise<QueuedJob | undefined>;
  close(): Promise<void>;
}

/** @param onError housekeeping that failed; it is tried again by itself */
export async function openTrainingQueue(
  { driver }: OpenDatabase,
  onError: (error: Error) => void,
): Promise<TrainingQueue> {
  const boss = new PgBoss({
    ...('url' in driver
      ? { connectionString: driver.url, max: CONNECTIONS }
      : { db: fromPglite(driver.pglite), backend: 'pglite' as const }),
    schedule: false,
  });
  boss.on('error', onError);
  await boss.start();
  await boss.createQueue(QUEUE, { retentionSeconds: YEAR_SECONDS, retryLimit: 0 });
  // Makes the library read the queue's settings now: inside a transaction it would wait for the only connection of PGlite.
  await boss.cancel(QUEUE, crypto.randomUUID());
  return queueOf(boss);
}

/**
 * The queue where nothing runs between requests: it is put into and taken from, and somebody else keeps house.
 * @throws where nobody has opened the queue in this database yet
 */
export async function joinTrainingQueue(db: Database): Promise<TrainingQueue> {
  const boss = new PgBoss({
    db: within(db),
    migrate: false,
    supervise: false,
    schedule: false,
    registerInstance: false,
    clock: NO_TIMERS,
  });
  await boss.start();
  return queueOf(boss);
}

const NO_TIMERS: typeof systemClock = {
  ...systemClock,
  setInterval: () => undefined as unknown as ReturnType<typeof systemClock.setInterval>,
};

const queueOf = (boss: PgBoss): TrainingQueue => ({
  async put(transaction, { id: jobId, turn }) {
    const id = await boss.send(QUEUE, { jobId, turn }, { db: within(transaction), priority: -turn });
    if (!id) throw new Error(`the queue did not take job ${jobId}`);
  },
  async take(transaction) {
    const db = within(transaction);
    const [message] = await boss.fetch(QUEUE, { db });
    if (!message) return undefined;
    // Gone, not kept as done: at the edge and in Lambda nobody would tidy up.
    await boss.deleteJob(QUEUE, message.id, { db });
    return Message.parse(message.data);
  },
  close: () => boss.stop({ graceful: false, close: true }),
});
