/** What there is depends on who asks: what is private or not listed is there for those who work on it. */
import {
  type Adapter,
  findAdapter,
  findAdapters,
  findSubmitted,
  listVersions,
  type Version,
} from '../../db/adapters.ts';
import type { Database } from '../../db/open.ts';
import { maySee, type Viewer, worksOn } from '../access.ts';
import { ApiError } from '../errors.ts';

type AdapterName = { readonly owner: string; readonly name: string };

/** @throws ApiError not_found, alike for what is missing and for what is not shown */
export async function adapterSeenBy(
  db: Database,
  viewer: Viewer,
  { owner, name }: AdapterName,
): Promise<{ adapter: Adapter; versions: Version[] }> {
  const id = `${owner}/${name}`;
  const adapter = await findAdapter(db, id);
  if (!adapter || !isKnownTo(viewer, adapter)) throw new ApiError('not_found', `There is no adapter ${id}.`);
  const versions = await listVersions(db, id, worksOn(viewer, id) ? 'submitted' : 'listed');
  return { adapter, versions };
}

const isKnownTo = (viewer: Viewer, adapter: Adapter): boolean =>
  maySee(viewer, adapter) && (adapter.latest > 0 || worksOn(viewer, adapter.id));

/** The versions without the names of parents that the viewer may not know of. */
export async function withKnownParents(
  db: Database,
  viewer: Viewer,
  versions: readonly Version[],
): Promise<Version[]> {
  const idOf = ({ lineage }: Version) => lineage?.parent?.split('@')[0];
  const parents = await findAdapters(db, [...new Set(versions.flatMap((one) => idOf(one) ?? []))]);
  const known = new Set(parents.filter((parent) => isKnownTo(viewer, parent)).map(({ id }) => id));
  return versions.map((version) => {
    const { lineage } = version;
    const id = idOf(version);
    return !lineage || id === undefined || known.has(id)
      ? version
      : { ...version, lineage: { ...lineage, parent: null } };
  });
}

/** @throws ApiError not_found, alike for what is missing and for what is not shown */
export async function versionSeenBy(
  db: Database,
  viewer: Viewer,
  { owner, name, number }: AdapterName & { readonly number: number },
): Promise<Version> {
  const id = `${owner}/${name}`;
  const adapter = await findAdapter(db, id);
  const version = adapter && maySee(viewer, adapter) ? await findSubmitted(db, id, number) : undefined;
  if (!version || (version.status !== 'passed' && !worksOn(viewer, id)))
    throw new ApiError('not_found', `There is no version ${id}@${number}.`);
  return version;
}
