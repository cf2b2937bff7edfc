/** Opens the database, embedded or a server, behind one type. */
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PGlite } from '@electric-sql/pglite';
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm';
import { drizzle as drizzleNodePostgres } from 'drizzle-orm/node-postgres';
import { migrate as migrateNodePostgres } from 'drizzle-orm/node-postgres/migrator';
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core';
import { drizzle as drizzlePglite } from 'drizzle-orm/pglite';
import { migrate as migratePglite } from 'drizzle-orm/pglite/migrator';
import type { Pool } from 'pg';
import { createPool } from './postgres.ts';
import * as schema from './schema.ts';

export type Database = PgDatabase<PgQueryResultHKT, typeof schema>;

export interface OpenDatabase {
  readonly db: Database;
  /** What lies under `db`, for a library that brings its own statements. */
  readonly driver: { readonly url: string } | { readonly pglite: PGlite };
  /** Of the pool, where the database is a server. */
  readonly connections?: () => { readonly total: number; readonly idle: number; readonly waiting: number };
  /** Does what servers that start together must not do at once. A data folder has one server anyway. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** A Postgres URL, a folder for PGlite, or neither: PGlite in memory. */
export type DatabaseLocation =
  | { readonly url: string }
  | { readonly folder: string }
  | { readonly memory: true };

const migrationsFolder = fileURLToPath(new URL('./migrations', import.meta.url));

/** Opens and brings the schema up to date. @throws what the driver throws when the server cannot be reached */
export async function openDatabase(location: DatabaseLocation): Promise<OpenDatabase> {
  if ('url' in location) {
    await migrate(location.url);
    const pool = createPool(location.url);
    return {
      db: drizzleNodePostgres(pool, { schema }),
      driver: { url: location.url },
      connections: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
      inTurn: (work) => oneAtATime(pool, STARTING, work),
      close: () => pool.end(),
    };
  }
  const client = await ('folder' in location ? openFolder(location.folder) : PGlite.create({ extensions }));
  const db = drizzlePglite(client, { schema });
  await migratePglite(db, { migrationsFolder });
  return { db, driver: { pglite: client }, inTurn: (work) => work(), close: () => client.close() };
}

const extensions = { pg_trgm };

/** A new database is made beside the folder and moved into place: a process that dies meanwhile leaves none that is half made. */
async function openFolder(folder: string): Promise<PGlite> {
  if (!existsSync(join(folder, 'PG_VERSION'))) {
    const made = `${folder}.new`;
    await rm(made, { recursive: true, force: true });
    await (await PGlite.create({ dataDir: made, extensions })).close();
    await rename(made, folder);
  }
  return PGlite.create({ dataDir: folder, extensions });
}

/** On connections of its own: a migration takes as long as it takes, and so does waiting for another server's. */
async function migrate(url: string): Promise<void> {
  const pool = createPool(url, { max: 2, query_timeout: 0 });
  const db = drizzleNodePostgres(pool, { schema });
  try {
    await oneAtATime(pool, MIGRATING, () => migrateNodePostgres(db, { migrationsFolder }));
  } finally {
    await pool.end();
  }
}

/** Any numbers that nobody else locks. */
const MIGRATING = 0x70_61_74_63_68; // 'patch'
const STARTING = MIGRATING + 1;

/**
 * Servers that start together on an empty database: one changes it, the others wait. The lock belongs to a transaction of its
 * own, so that it is gone with the connection, and right behind a pooler too.
 */
async function oneAtATime<T>(pool: Pool, lock: number, work: () => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    await client.query('select pg_advisory_xact_lock($1)', [lock]);
    const done = await work();
    await client.query('commit');
    client.release();
    return done;
  } catch (error) {
    client.release(true); // closed, and the lock with it
    throw error;
  }
}
