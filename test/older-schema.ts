/** A database as an older release made it: the first of today's migrations, which are never edited. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm';
import { drizzle as drizzleNodePostgres } from 'drizzle-orm/node-postgres';
import { migrate as migrateNodePostgres } from 'drizzle-orm/node-postgres/migrator';
import { drizzle as drizzlePglite } from 'drizzle-orm/pglite';
import { migrate as migratePglite } from 'drizzle-orm/pglite/migrator';
import type { Database, DatabaseLocation } from '../db/open.ts';
import { createPool } from '../db/postgres.ts';

const migrations = join(import.meta.dirname, '../db/migrations');

/** @param count migrations that release had */
export async function openAsReleased(
  location: DatabaseLocation,
  count: number,
): Promise<{ db: Database; close(): Promise<void> }> {
  await using folder = await temporaryFolder();
  await cp(migrations, folder.path, { recursive: true });
  const path = join(folder.path, 'meta/_journal.json');
  const journal = JSON.parse(await readFile(path, 'utf8')) as { entries: unknown[] };
  await writeFile(path, JSON.stringify({ ...journal, entries: journal.entries.slice(0, count) }));
  if ('url' in location) {
    const pool = createPool(location.url);
    const db = drizzleNodePostgres(pool);
    await migrateNodePostgres(db, { migrationsFolder: folder.path });
    return { db: db as unknown as Database, close: () => pool.end() };
  }
  const client = await PGlite.create({
    ...('folder' in location ? { dataDir: location.folder } : {}),
    extensions: { pg_trgm },
  });
  const db = drizzlePglite(client);
  await migratePglite(db, { migrationsFolder: folder.path });
  return { db: db as unknown as Database, close: () => client.close() };
}

export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'patchbay-release-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
