/** What there is depends on who asks: what is not listed is there for its publisher and for the admin. */
import { type Adapter, findAdapter, findSubmitted, listVersions, type Version } from '../../db/adapters.ts';
import type { Database } from '../../db/open.ts';
import type { Principal } from '../auth.ts';
import { ApiError } from '../errors.ts';

type AdapterName = { readonly owner: string; readonly name: string };

/** @throws ApiError not_found, alike for what is missing and for what is not shown */
export async function adapterSeenBy(
  db: Database,
  principal: Principal | undefined,
  { owner, name }: AdapterName,
): Promise<{ adapter: Adapter; versions: Version[] }> {
  const adapter = await findAdapter(db, `${owner}/${name}`);
  if (!adapter || (adapter.latest === 0 && !isOwn(principal, owner)))
    throw new ApiError('not_found', `There is no adapter ${owner}/${name}.`);
  const which = isOwn(principal, owner) ? 'submitted' : 'listed';
  return { adapter, versions: await listVersions(db, adapter.id, which) };
}

/** @throws ApiError not_found, alike for what is missing and for what is not shown */
export async function versionSeenBy(
  db: Database,
  principal: Principal | undefined,
  { owner, name, number }: AdapterName & { readonly number: number },
): Promise<Version> {
  const version = await findSubmitted(db, `${owner}/${name}`, number);
  if (!version || (version.status !== 'passed' && !isOwn(principal, owner)))
    throw new ApiError('not_found', `There is no version ${owner}/${name}@${number}.`);
  return version;
}

const isOwn = (principal: Principal | undefined, owner: string): boolean =>
  principal !== undefined && (principal.owner === owner || principal.scopes.has('admin'));
