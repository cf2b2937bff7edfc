/** What there is depends on who asks: what is private or not listed is there for those who work on it. */
import { type Adapter, findAdapter, findSubmitted, listVersions, type Version } from '../../db/adapters.ts';
import type { Database } from '../../db/open.ts';
import { maySee, maySeeUnlisted, type Viewer } from '../access.ts';
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
  const unlisted = maySeeUnlisted(viewer, id);
  if (!adapter || !maySee(viewer, adapter) || (adapter.latest === 0 && !unlisted))
    throw new ApiError('not_found', `There is no adapter ${id}.`);
  return { adapter, versions: await listVersions(db, id, unlisted ? 'submitted' : 'listed') };
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
  if (!version || (version.status !== 'passed' && !maySeeUnlisted(viewer, id)))
    throw new ApiError('not_found', `There is no version ${id}@${number}.`);
  return version;
}
