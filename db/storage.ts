/** What is stored, and under whose name. */
import { and, eq, gt, inArray, isNotNull, isNull, ne, type SQL, sql } from 'drizzle-orm';
import { unionAll } from 'drizzle-orm/pg-core';
import type { Database } from './open.ts';
import { adapters, baseFiles, draftFiles, drafts, files, tasks, uploads, user, versions } from './schema.ts';

/** Versions that were refused or withdrawn are nobody's any more. */
const counts = inArray(versions.status, ['pending', 'passed']);
const sum = (size: SQL | typeof versions.size) => sql<number>`coalesce(sum(${size}), 0)::float8`;

/** Until the transaction is over: whoever else wants room under this name waits. */
export async function lockStorage(tx: Database, owner: string): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtext(${`storage of ${owner}`}))`);
}

/** Bytes under a name: of versions, of what is on its way to become some, of files, of those that come in parts, and of what tasks made or are asked to make. */
export async function storedBytes(db: Database, owner: string, now: Date): Promise<number> {
  const parts = await unionAll(
    db
      .select({ bytes: sum(versions.size) })
      .from(versions)
      .innerJoin(adapters, eq(adapters.id, versions.adapterId))
      .where(and(counts, sql`${adapters.labels} @> array[${`owner:${owner}`}]`)),
    db
      .select({ bytes: sum(sql`${draftFiles.size}`) })
      .from(draftFiles)
      .innerJoin(drafts, eq(drafts.id, draftFiles.draftId))
      .where(
        and(
          ne(drafts.kind, 'base'),
          isNull(drafts.completed),
          gt(drafts.expiresAt, now),
          isNotNull(draftFiles.upload),
          eq(sql`split_part(${drafts.target}, '/', 1)`, owner),
        ),
      ),
    db
      .select({ bytes: sum(sql`${files.size}`) })
      .from(files)
      .innerJoin(user, eq(user.id, files.userId))
      .where(eq(user.name, owner)),
    db
      .select({ bytes: sum(sql`${uploads.size}`) })
      .from(uploads)
      .innerJoin(user, eq(user.id, uploads.userId))
      .where(and(eq(user.name, owner), eq(uploads.status, 'pending'))),
    db
      .select({ bytes: sum(sql`(file->>'size')::bigint`) })
      .from(tasks)
      .innerJoin(user, eq(user.id, tasks.userId))
      .innerJoin(sql`jsonb_array_elements(${tasks.files}) as file`, sql`true`)
      .where(eq(user.name, owner)),
    // A merged model is as large as its base.
    db
      .select({ bytes: sum(sql`${baseFiles.size}`) })
      .from(tasks)
      .innerJoin(user, eq(user.id, tasks.userId))
      .innerJoin(baseFiles, eq(baseFiles.baseId, sql`${tasks.order}->>'base'`))
      .where(
        and(
          eq(user.name, owner),
          eq(tasks.function, 'merge'),
          inArray(tasks.status, ['queued', 'running']),
          eq(tasks.files, []),
        ),
      ),
  );
  return parts.reduce((total, { bytes }) => total + bytes, 0);
}

/** Whether an adapter has a version of this content whose bytes are counted already. */
export async function isCounted(db: Database, adapterId: string, digest: string): Promise<boolean> {
  const same = and(eq(versions.adapterId, adapterId), eq(versions.digest, digest), counts);
  return (await db.$count(versions, same)) > 0;
}

/** Bytes of versions by owner and base. */
export function storedByOwner(db: Database) {
  return db
    .select({ owner: adapters.owner, baseId: adapters.baseId, bytes: sum(versions.size) })
    .from(versions)
    .innerJoin(adapters, eq(adapters.id, versions.adapterId))
    .where(counts)
    .groupBy(adapters.owner, adapters.baseId);
}
