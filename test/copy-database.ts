/**
 * All rows of a database as JSON, and back: how a backup is restored here, where there is no pg_dump, and how the data of an older
 * release is kept as a fixture. Schemas are made by migrations; the queue's own is left out, its library makes it.
 */
import { sql } from 'drizzle-orm';
import type { Database } from '../db/open.ts';

export type Rows = Readonly<Record<string, readonly unknown[]>>;

/** Nothing refers to a row of another moment. */
export function readRows(db: Database): Promise<Rows> {
  return db.transaction(
    async (tx) => {
      const { rows: tables } = await run<{ name: string }>(
        tx,
        `select format('%I.%I', table_schema, table_name) as name from information_schema.tables
         where table_schema in ('public', 'drizzle') and table_type = 'BASE TABLE' order by 1`,
      );
      const all: Record<string, readonly unknown[]> = {};
      for (const { name } of tables) {
        const { rows } = await run<{ row: unknown }>(tx, `select to_jsonb(t) as row from ${name} t`);
        all[name] = rows.map(({ row }) => row);
      }
      return all;
    },
    { isolationLevel: 'repeatable read' },
  );
}

/** Into tables that are there and empty, but for the record of migrations, which stays as it is. */
export async function writeRows(db: Database, rows: Rows): Promise<void> {
  await db.transaction(async (tx) => {
    await run(tx, `set local session_replication_role = replica`); // tables come in no particular order
    for (const [name, inTable] of Object.entries(rows)) {
      if (name.startsWith('drizzle.') || inTable.length === 0) continue;
      // Columns that the database works out by itself cannot be written.
      const { rows: columns } = await run<{ name: string }>(
        tx,
        `select quote_ident(attname) as name from pg_attribute
         where attrelid = '${name}'::regclass and attnum > 0 and not attisdropped and attgenerated = ''`,
      );
      const list = columns.map((column) => column.name).join(', ');
      await tx.execute(
        sql`insert into ${sql.raw(name)} (${sql.raw(list)}) overriding system value
            select ${sql.raw(list)} from jsonb_populate_recordset(null::${sql.raw(name)}, ${JSON.stringify(inTable)}::jsonb)`,
      );
      await advanceSequences(tx, name);
    }
  });
}

/** What numbers itself goes on after the highest number there is. */
async function advanceSequences(tx: Database, table: string): Promise<void> {
  const { rows } = await run<{ name: string; sequence: string }>(
    tx,
    `select quote_ident(attname) as name, pg_get_serial_sequence('${table}', attname) as sequence from pg_attribute
     where attrelid = '${table}'::regclass and attnum > 0 and not attisdropped
       and pg_get_serial_sequence('${table}', attname) is not null`,
  );
  for (const { name, sequence } of rows)
    await run(tx, `select setval('${sequence}', greatest((select max(${name}) from ${table}), 1))`);
}

async function run<T>(tx: Database, statement: string): Promise<{ rows: T[] }> {
  return (await tx.execute(sql.raw(statement))) as unknown as { rows: T[] };
}
