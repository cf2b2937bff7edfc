/** Adapters with all that is listed of them, as protocols need them that speak of repositories. */
import { eq, sql } from 'drizzle-orm';
import { type Adapter, adapterColumns } from './adapters.ts';
import type { Database } from './open.ts';
import type { Ref } from './refs.ts';
import { adapters, refs, versions } from './schema.ts';

export interface ListedVersion {
  readonly number: number;
  readonly digest: string;
  readonly createdAt: Date;
  readonly branch: string | null;
  readonly parent: number | null;
}

export interface AdapterWithVersions {
  readonly adapter: Adapter;
  /** Newest first. */
  readonly versions: readonly ListedVersion[];
  /** Tags first, as git finds them. */
  readonly refs: readonly Ref[];
}

/** In one statement, for every download of a file begins with it. */
export async function findWithVersions(db: Database, id: string): Promise<AdapterWithVersions | undefined> {
  const listed = sql<(Omit<ListedVersion, 'createdAt'> & { createdAt: string })[]>`(
    select coalesce(json_agg(json_build_object('number', v.number, 'digest', v.digest, 'createdAt', v.created_at,
      'branch', v.branch, 'parent', v.parent) order by v.number desc), '[]')
    from ${versions} v where v.adapter_id = ${id} and v.status = 'passed')`;
  const named = sql<Ref[]>`(
    select coalesce(json_agg(json_build_object('kind', r.kind, 'name', r.name, 'number', r.number)
      order by r.kind desc, r.name), '[]')
    from ${refs} r where r.adapter_id = ${id})`;
  const [row] = await db
    .select({ adapter: adapterColumns, listed, named })
    .from(adapters)
    .where(eq(adapters.id, id));
  if (!row) return undefined;
  const dated = row.listed.map((one) => ({ ...one, createdAt: new Date(one.createdAt) }));
  return { adapter: row.adapter, versions: dated, refs: row.named };
}
