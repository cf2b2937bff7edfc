/** Whether the schema is there that this code was written for. */
import { sql } from 'drizzle-orm';
import journal from './migrations/meta/_journal.json' with { type: 'json' };
import type { Database } from './open.ts';

const NEWEST = journal.entries.at(-1)!.when;

/** A later schema will do: during an upgrade the old servers run on beside the new ones. @throws when it is older, or cannot be asked */
export async function isMigrated(db: Database): Promise<void> {
  const { rows } = (await db.execute(
    sql`select coalesce(max(created_at), 0) as at from drizzle.__drizzle_migrations`,
  )) as unknown as { rows: { at: string | number }[] };
  if (Number(rows[0]!.at) < NEWEST) throw new Error('migrations are missing in the database');
}
