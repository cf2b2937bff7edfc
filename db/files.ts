/** Files that users upload for training. */
import { and, desc, eq, inArray, isNotNull, isNull, lt, or, type SQL, sql } from 'drizzle-orm';
import type { Database } from './open.ts';
import { files, tasks, trainingJobs } from './schema.ts';

export type FileRow = typeof files.$inferSelect;
/** A file whose bytes are all there. */
export type UserFile = FileRow & { readonly size: number; readonly sha256: string };

export async function insertFile(db: Database, file: typeof files.$inferInsert): Promise<void> {
  await db.insert(files).values(file);
}

export async function finishFile(
  db: Database,
  id: string,
  facts: { filename: string; purpose: string; size: number; sha256: string },
): Promise<UserFile> {
  const [row] = await db
    .update(files)
    .set({ ...facts, uploadId: null })
    .where(eq(files.id, id))
    .returning();
  return row as UserFile;
}

/** A file of somebody else is as good as none. */
export async function findFile(db: Database, userId: string, id: string): Promise<UserFile | undefined> {
  const [row] = await db
    .select()
    .from(files)
    .where(and(eq(files.id, id), eq(files.userId, userId), isNotNull(files.sha256)));
  return row as UserFile | undefined;
}

/** Of a file whose bytes are all there, whoever it belongs to. */
export async function sizeOfFile(db: Database, id: string): Promise<number | undefined> {
  const [row] = await db
    .select({ size: files.size })
    .from(files)
    .where(and(eq(files.id, id), isNotNull(files.sha256)));
  return row?.size ?? undefined;
}

export interface FilePage {
  readonly order: 'asc' | 'desc';
  readonly limit: number;
  readonly purpose: string | undefined;
  /** The last file of the page before. */
  readonly after: UserFile | undefined;
}

/** By time, then by id. @returns up to one more than `limit`: then there is another page */
export async function listFiles(
  db: Database,
  userId: string,
  { order, limit, purpose, after }: FilePage,
): Promise<UserFile[]> {
  const direction = sql.raw(order === 'asc' ? '>' : '<');
  const where: (SQL | undefined)[] = [
    eq(files.userId, userId),
    isNotNull(files.sha256),
    purpose === undefined ? undefined : eq(files.purpose, purpose),
    after &&
      sql`(${files.createdAt}, ${files.id}) ${direction} (${after.createdAt.toISOString()}::timestamptz, ${after.id})`,
  ];
  const rows = await db
    .select()
    .from(files)
    .where(and(...where))
    .orderBy(...(order === 'asc' ? [files.createdAt, files.id] : [desc(files.createdAt), desc(files.id)]))
    .limit(limit + 1);
  return rows as UserFile[];
}

/** @returns the job, or the task, that still needs it, in which case it stays */
export function deleteFile(db: Database, id: string): Promise<string | undefined> {
  return db.transaction(async (tx) => {
    // Jobs and tasks lock the files they are made with, so none can be made meanwhile.
    await tx.select({ id: files.id }).from(files).where(eq(files.id, id)).for('update');
    const [job] = await tx
      .select({ id: trainingJobs.id })
      .from(trainingJobs)
      .where(
        and(
          or(eq(trainingJobs.trainingFile, id), eq(trainingJobs.validationFile, id)),
          inArray(trainingJobs.status, ['validating_files', 'queued', 'running', 'paused']),
        ),
      )
      .limit(1);
    if (job) return job.id;
    const [task] = await tx
      .select({ id: tasks.id })
      .from(tasks)
      .where(
        and(
          sql`${id} in (${tasks.order}->'file'->>'id', ${tasks.order}->'validationFile'->>'id')`,
          inArray(tasks.status, ['queued', 'running']),
        ),
      )
      .limit(1);
    if (task) return task.id;
    await tx.delete(files).where(eq(files.id, id));
    return undefined;
  });
}

/** Of these keys in the object store, those of files that have a row. */
export async function uploadedFiles(db: Database, keys: readonly string[]): Promise<Set<string>> {
  const key = sql<string>`'files/' || ${files.id}`;
  const ids = keys.map((one) => one.slice('files/'.length));
  const rows = await db.select({ key }).from(files).where(inArray(files.id, ids));
  return new Set(rows.map((row) => row.key));
}

/** Uploads that began before `before` and are not over: their client or the server went away. */
export function abandonedFiles(db: Database, before: Date): Promise<FileRow[]> {
  return db
    .select()
    .from(files)
    .where(and(isNull(files.sha256), lt(files.createdAt, before)));
}

/** @returns whether it is none whose bytes are all there */
export async function isAbandoned(db: Database, id: string): Promise<boolean> {
  return (await db.$count(files, and(eq(files.id, id), isNotNull(files.sha256)))) === 0;
}

export async function removeUnfinished(db: Database, id: string): Promise<void> {
  await db.delete(files).where(and(eq(files.id, id), isNull(files.sha256)));
}
