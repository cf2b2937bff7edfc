/**
 * Who may do what with which adapter. A namespace is a person's or an organisation's; roles are held in namespaces. A key holds
 * them in what its scopes are for, and one that was made for some adapters for those alone.
 */
import { type Adapter, findAdapter, findVersion, type Version } from '../db/adapters.ts';
import type { Database } from '../db/open.ts';
import { accessOf, findPerson } from '../db/people.ts';
import { ROLES, type Role } from '../db/schema.ts';
import { type Principal, requireScope, type Scope } from './auth.ts';
import { ApiError } from './errors.ts';

/** Nobody in particular, too, may look at what is public. */
export type Viewer = Principal | undefined;

/** Keys that have to do with an adapter know of it; one that only asks for answers does not. */
const WORKING: readonly Scope[] = ['read', 'publish', 'manage'];

/** @param id owner/name. @param scopes any of them: in others, the role does not count */
export const worksOn = (viewer: Viewer, id: string, scopes = WORKING): boolean =>
  holdsAny(viewer, scopes) && roleFor(viewer, id) !== undefined;

const holdsAny = (viewer: Viewer, scopes: readonly Scope[]): viewer is Principal =>
  viewer !== undefined && (viewer.scopes.has('admin') || scopes.some((scope) => viewer.scopes.has(scope)));

/** Whatever the key's scopes. @param id owner/name */
function roleFor(principal: Principal, id: string): Role | undefined {
  if (principal.only && !principal.only.includes(id)) return undefined;
  return roleIn(principal, id.split('/')[0]!);
}

/** In a namespace as a whole, whatever adapters a key is for. */
function roleIn(principal: Principal, owner: string): Role | undefined {
  if (principal.scopes.has('admin') || principal.owner === owner) return 'admin';
  return principal.roles.get(owner);
}

const atLeast = (role: Role | undefined, needed: Role): boolean =>
  role !== undefined && ROLES.indexOf(role) >= ROLES.indexOf(needed);

/** @param id owner/name. @throws ApiError forbidden */
export function requireRole(principal: Principal, id: string, needed: Role): void {
  if (atLeast(roleFor(principal, id), needed)) return;
  requireAllowed(principal, id);
  const own = [
    principal.owner,
    ...[...principal.roles].filter(([, role]) => atLeast(role, needed)).map(([name]) => name),
  ];
  throw new ApiError(
    'forbidden',
    `This key may not do that under ${id.split('/')[0]}/, only under ${own.map((name) => `${name}/`).join(', ')}.`,
  );
}

/** A key that was made for some adapters is good for nothing else. @param id owner/name. @throws ApiError forbidden */
export function requireAllowed({ only }: Principal, id: string, field?: string): void {
  if (only && !only.includes(id)) throw keyIsForOthers(only, { id, field });
}

/** For what concerns a whole namespace. @throws ApiError forbidden */
export function requireUnrestricted({ only }: Principal): void {
  if (only) throw keyIsForOthers(only);
}

function keyIsForOthers(
  only: readonly string[],
  about: { id?: string; field?: string | undefined } = {},
): ApiError {
  const detail = `This key is for ${only.join(', ')} alone${about.id ? `, not for ${about.id}` : ''}.`;
  return new ApiError('forbidden', detail, about.field ? { field: about.field } : {});
}

/** @throws ApiError forbidden */
export function requireOrganisationRole(principal: Principal, organisation: string, needed: Role): void {
  if (!principal.only && atLeast(roleIn(principal, organisation), needed)) return;
  throw new ApiError('forbidden', `This needs the role ${needed} in ${organisation}.`);
}

/** One's own name, an organisation that one is admin of, or a service account of such a one: not for keys of some adapters. */
export async function administers(db: Database, principal: Principal, owner: string): Promise<boolean> {
  if (principal.only) return false;
  if (roleIn(principal, owner) === 'admin') return true;
  const organisation = (await findPerson(db, owner))?.organisation;
  return typeof organisation === 'string' && roleIn(principal, organisation) === 'admin';
}

/** Whose books, webhooks and log are meant. @param owner unless named, one's own. @throws ApiError forbidden */
export async function namespaceOf(
  db: Database,
  principal: Principal,
  owner = principal.owner,
): Promise<string> {
  requireUnrestricted(principal);
  if (await administers(db, principal, owner)) return owner;
  throw new ApiError(
    'forbidden',
    `owner: ${owner} is neither you, nor an organisation that you are admin of, nor a service account of one.`,
    { field: 'owner' },
  );
}

type Seen = Pick<Adapter, 'id' | 'visibility' | 'gate'>;

/** Whether it is there at all: a private adapter is as good as missing. */
export const maySee = (viewer: Viewer, { id, visibility }: Seen, scopes = WORKING): boolean =>
  visibility === 'public' || worksOn(viewer, id, scopes);

/** A listed version, where the viewer may know of it. @param number without it, the latest */
export async function findVisible(
  db: Database,
  viewer: Viewer,
  id: string,
  number?: number,
  scopes = WORKING,
): Promise<{ adapter: Adapter; version: Version } | undefined> {
  const adapter = await findAdapter(db, id);
  if (!adapter || !maySee(viewer, adapter, scopes)) return undefined;
  const version = await findVersion(db, id, number);
  return version && { adapter, version };
}

/** Whose private adapters a search shows. */
export function privateOf(viewer: Viewer, scopes: readonly Scope[] = ['read']): 'all' | readonly string[] {
  if (!holdsAny(viewer, scopes) || viewer.only) return [];
  return viewer.scopes.has('admin') ? 'all' : [viewer.owner, ...viewer.roles.keys()];
}

/** Everybody sees that it is there, and whom to ask. */
export class GatedError extends ApiError {
  readonly adapterId: string;

  constructor(adapterId: string, code: 'unauthorized' | 'forbidden', what: string) {
    super(code, `${adapterId} is gated: ${what}.`);
    this.adapterId = adapterId;
  }
}

/**
 * Weights and answers that are not for everybody are for those who work on them or were let in.
 * @param scope `read` for weights, `infer` for answers, `train` to train on
 * @throws GatedError; ApiError insufficient_scope
 */
export async function requireUse(
  db: Database,
  viewer: Viewer,
  { id, visibility, gate }: Seen,
  scope: Scope,
): Promise<void> {
  if ((visibility === 'public' && gate === null) || worksOn(viewer, id, [scope])) return;
  if (!viewer) throw new GatedError(id, 'unauthorized', 'send the key of somebody who was let in');
  requireScope(viewer, scope);
  const status = await accessOf(db, id, viewer.userId);
  if (status === 'accepted') return;
  const what = {
    pending: 'your request has not been decided yet',
    rejected: 'your request was rejected',
    none: `ask for access on its page, /adapters/${id} (programs: POST /api/adapters/${id}/access)`,
  };
  throw new GatedError(id, 'forbidden', what[status ?? 'none']);
}
