/** Adapters with all that is listed of them, as protocols need them that speak of repositories. */
import { eq, sql } from 'drizzle-orm';
import { type Adapter, adapterColumns } from './adapters.ts';
import type { Database } from './open.ts';
import type { Ref } from './refs.ts';
import { adapters, refs, type VersionStatus, versions } from './schema.ts';

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
  /** Taken off the list by the server's admin, or by the gate. */
  readonly quarantined: readonly ListedVersion[];
  /** Tags first, as git finds them. */
  readonly refs: readonly Ref[];
}

/** In one statement, for every download of a file begins with it. */
export async function findWithVersions(db: Database, id: string): Promise<AdapterWithVersions | undefined> {
  const listed = sql<(Omit<ListedVersion, 'createdAt'> & { createdAt: string; status: VersionStatus })[]>`(
    select coalesce(json_agg(json_build_object('number', v.number, 'digest', v.digest, 'createdAt', v.created_at,
      'branch', v.branch, 'parent', v.parent, 'status', v.status) order by v.number desc), '[]')
    from ${versions} v where v.adapter_id = ${id} and v.status in ('passed', 'quarantined'))`;
  const named = sql<Ref[]>`(
    select coalesce(json_agg(json_build_object('kind', r.kind, 'name', r.name, 'number', r.number)
      order by r.kind desc, r.name), '[]')
    from ${refs} r where r.adapter_id = ${id})`;
  const [row] = await db
    .select({ adapter: adapterColumns, listed, named })
    .from(adapters)
    .where(eq(adapters.id, id));
  if (!row) return undefined;
  const of = (wanted: VersionStatus) =>
    row.listed.flatMap(({ status, createdAt, ...one }) =>
      status === wanted ? [{ ...one, createdAt: new Date(createdAt) }] : [],
    );
  return {
    adapter: row.adapter,
    versions: of('passed'),
    quarantined: of('quarantined'),
    refs: row.named,
  };
}
