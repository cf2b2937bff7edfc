/** What an operator looks at: how much there is of everything, and what waits. */
import { and, count, desc, eq, gt, inArray, isNull, min, type SQL, sql, sum } from 'drizzle-orm';
import type { Database } from './open.ts';
import {
  adapters,
  blobs,
  drafts,
  events,
  files,
  tasks,
  trainingJobs,
  user,
  verifications,
} from './schema.ts';

export interface Operations {
  readonly adapters: number;
  readonly people: number;
  /** Uploads that are under way. */
  readonly drafts: number;
  /** Bytes. */
  readonly stored: { readonly blobs: number; readonly files: number };
  /** By status. */
  readonly jobs: Readonly<Record<string, number>>;
  readonly verifications: Readonly<Record<string, number>>;
  readonly tasks: Readonly<Record<string, number>>;
  /** What runners work on, until when unless they are heard of again. */
  readonly leases: readonly { readonly function: string; readonly what: string; readonly expiresAt: Date }[];
  /** What somebody found wrong with an adapter, newest first. */
  readonly reports: readonly Report[];
}

interface Report {
  readonly at: Date;
  readonly adapter: string;
  readonly by: string | null;
  readonly reason: string;
  readonly message: string;
}

const REPORTS = 20;

export async function operations(db: Database, now: Date): Promise<Operations> {
  const one = async (from: typeof adapters | typeof user | typeof drafts, which?: SQL) =>
    (await db.select({ rows: count() }).from(from).where(which))[0]!.rows;
  const bytes = async (from: typeof blobs | typeof files) =>
    Number((await db.select({ bytes: sum(from.size) }).from(from))[0]?.bytes ?? 0);
  const byStatus = async (from: typeof trainingJobs | typeof verifications | typeof tasks) => {
    const { status } = from;
    const rows = await db.select({ status, rows: count() }).from(from).groupBy(status);
    return Object.fromEntries(rows.map((row) => [row.status, row.rows]));
  };
  return {
    adapters: await one(adapters),
    people: await one(user),
    drafts: await one(drafts, isNull(drafts.completed)),
    stored: { blobs: await bytes(blobs), files: await bytes(files) },
    jobs: await byStatus(trainingJobs),
    verifications: await byStatus(verifications),
    tasks: await byStatus(tasks),
    leases: await leases(db, now),
    reports: await reports(db),
  };
}

function reports(db: Database): Promise<Report[]> {
  return db
    .select({
      at: events.at,
      adapter: events.subject,
      by: user.name,
      reason: sql<string>`${events.data} ->> 'reason'`,
      message: sql<string>`${events.data} ->> 'message'`,
    })
    .from(events)
    .leftJoin(user, eq(user.id, events.actor))
    .where(sql`${events.kind} = 'adapter.reported'`) // as its index says it
    .orderBy(desc(events.id))
    .limit(REPORTS);
}

async function leases(db: Database, now: Date): Promise<Operations['leases']> {
  const training = await db
    .select({ function: sql<string>`'train'`, what: trainingJobs.id, expiresAt: trainingJobs.leaseExpiresAt })
    .from(trainingJobs)
    .where(gt(trainingJobs.leaseExpiresAt, now));
  const verifying = await db
    .select({
      function: sql<string>`'verify'`,
      what: sql<string>`${verifications.adapterId} || '@' || ${verifications.number}`,
      expiresAt: verifications.leaseExpiresAt,
    })
    .from(verifications)
    .where(and(eq(verifications.status, 'running'), gt(verifications.leaseExpiresAt, now)));
  const asked = await db
    .select({ function: tasks.function, what: tasks.id, expiresAt: tasks.leaseExpiresAt })
    .from(tasks)
    .where(and(eq(tasks.status, 'running'), gt(tasks.leaseExpiresAt, now)));
  return [...training, ...verifying, ...asked].map((one) => ({ ...one, expiresAt: one.expiresAt! }));
}

/** What waits for a runner, by the function that does it. @param known functions of tasks that are told of though none waits */
export async function waitingWork(
  db: Database,
  known: readonly string[] = [],
): Promise<readonly { readonly name: string; readonly depth: number; readonly since: Date | null }[]> {
  const [jobs] = await db
    .select({ depth: count(), since: min(trainingJobs.waitingSince) })
    .from(trainingJobs)
    .where(
      and(inArray(trainingJobs.status, ['validating_files', 'queued']), isNull(trainingJobs.leaseExpiresAt)),
    );
  const [checks] = await db
    .select({ depth: count(), since: min(verifications.waitingSince) })
    .from(verifications)
    .where(eq(verifications.status, 'waiting'));
  const asked = await db
    .select({ name: tasks.function, depth: count(), since: min(tasks.waitingSince) })
    .from(tasks)
    .where(eq(tasks.status, 'queued'))
    .groupBy(tasks.function);
  return [
    { name: 'train', ...jobs! },
    { name: 'verify', ...checks! },
    ...asked,
    ...known
      .filter((name) => asked.every((one) => one.name !== name))
      .map((name) => ({ name, depth: 0, since: null })),
  ];
}
