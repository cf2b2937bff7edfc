/** Keys and accounts, and whose they are. */
import { z } from '@hono/zod-openapi';
import type { Database } from '../../db/open.ts';
import { findPerson } from '../../db/people.ts';
import { administers, requireUnrestricted } from '../access.ts';
import type { Auth, Principal } from '../auth.ts';
import { requirePrincipal } from '../context.ts';
import { ApiError } from '../errors.ts';
import { type App, json, limitBody, needs, ok, ownedBy, problems, routesOf } from './kit.ts';
import * as p from './people-schemas.ts';
import * as s from './schemas.ts';

const route = routesOf('Accounts');

interface KeyDeps {
  readonly db: Database;
  readonly auth: Auth;
}

export function keyRoutes(app: App, { db, auth }: KeyDeps): void {
  app.openapi(
    route({
      method: 'get',
      path: '/sign-in',
      summary: 'How people may sign in here',
      responses: { 200: ok(p.SignInWays, 'The ways'), ...problems },
    }),
    async (c) => c.json(auth.ways, 200),
  );

  app.openapi(
    route({
      method: 'post',
      path: '/people',
      summary: 'Give somebody an account, or a new password',
      ...needs('admin'),
      request: { body: { ...json(p.NewPerson), required: true } },
      responses: { 201: ok(p.GivenPassword, 'What they sign in with'), ...problems },
    }),
    async (c) => {
      const { userId } = requirePrincipal(c, 'admin');
      const { name, email } = c.req.valid('json');
      return c.json({ name, email, password: await auth.givePassword(name, email, userId) }, 201);
    },
  );

  app.openapi(
    route({
      method: 'get',
      path: '/whoami',
      summary: 'Whose key this is, and what it may do',
      ...needs('read', 'publish', 'infer', 'train', 'manage'),
      responses: { 200: ok(p.Whoami, 'The key'), ...problems },
    }),
    async (c) => {
      const { owner, scopes, roles, only } = requirePrincipal(
        c,
        'read',
        'publish',
        'infer',
        'train',
        'manage',
      );
      const organisations = [...roles].map(([name, role]) => ({ name, role }));
      return c.json({ owner, scopes: [...scopes], adapters: only ? [...only] : null, organisations }, 200);
    },
  );

  app.openapi(
    route({
      method: 'post',
      path: '/keys',
      summary: 'Make a key',
      ...needs('manage'),
      request: { body: { ...json(p.NewKey), required: true } },
      responses: { 201: ok(p.MadeKey, 'The key, shown only now'), ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'manage');
      const { name, scopes, adapters, owner, ...asked } = c.req.valid('json');
      requireWithin(principal, scopes, adapters);
      const expiresInSeconds = lifeWithin(principal, asked.expiresInSeconds);
      const userId = (await accountOf(principal, owner)) ?? (await newAccount(principal, owner!));
      const limits = { actor: principal.userId, expiresInSeconds, adapters };
      const made = await auth.createKey(userId, name, scopes, limits);
      return c.json(
        {
          ...made,
          scopes: [...scopes],
          createdAt: made.createdAt.toISOString(),
          expiresAt: made.expiresAt?.toISOString() ?? null,
        },
        201,
      );
    },
  );

  app.openapi(
    route({
      method: 'get',
      path: '/keys',
      summary: 'Your keys',
      ...needs('manage'),
      request: { query: z.object({ owner: ownedBy }) },
      responses: { 200: ok(z.object({ keys: z.array(p.Key) }), 'Your keys'), ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'manage');
      requireUnrestricted(principal);
      const { owner } = c.req.valid('query');
      const userId = await accountOf(principal, owner);
      if (!userId) throw notYours(owner!);
      const keys = await auth.listKeys(userId);
      const view = keys.map((key) => ({
        ...key,
        createdAt: key.createdAt.toISOString(),
        expiresAt: key.expiresAt?.toISOString() ?? null,
      }));
      return c.json({ keys: view }, 200);
    },
  );

  app.openapi(
    route({
      method: 'delete',
      path: '/keys/{id}',
      summary: 'Revoke a key of yours, or of a service account of an organisation that you administer',
      ...needs('manage'),
      request: { params: z.object({ id: s.storable(100).min(1) }) },
      responses: { 204: { description: 'Revoked' }, ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'manage');
      const { id } = c.req.valid('param');
      requireUnrestricted(principal);
      const owner = await auth.ownerOfKey(id);
      const isOwn = owner && (await accountOf(principal, owner.name)) === owner.id;
      if (!isOwn || !(await auth.revokeKey(id, principal.userId)))
        throw new ApiError('not_found', 'There is no such key of yours.');
      return c.body(null, 204);
    },
  );

  app.openapi(
    route({
      method: 'post',
      path: '/keys/revoke',
      summary: 'End keys that you hold: whoever finds one may, without any other',
      middleware: [limitBody],
      request: { body: { ...json(p.HeldKeys), required: true } },
      responses: { 200: ok(z.object({ revoked: z.int() }), 'How many of them were keys'), ...problems },
    }),
    async (c) => {
      const revoked = await auth.revokeHeld(c.req.valid('json').keys);
      return c.json({ revoked }, 200);
    },
  );

  /** Whose keys are made, listed and ended: one's own, or a service account's. @returns undefined: it is not for this principal */
  async function accountOf(principal: Principal, owner: string | undefined): Promise<string | undefined> {
    if (owner === undefined || owner === principal.owner) return principal.userId;
    const account = await findPerson(db, owner);
    if (principal.scopes.has('admin')) return account?.id;
    return account?.kind === 'service' && (await administers(db, principal, owner)) ? account.id : undefined;
  }

  /** @throws ApiError forbidden */
  async function newAccount(principal: Principal, owner: string): Promise<string> {
    if (principal.scopes.has('admin')) return auth.ensureUser(owner);
    throw notYours(owner);
  }
}

const notYours = (owner: string) =>
  new ApiError('forbidden', `${owner} is no service account of an organisation of yours.`, {
    field: 'owner',
  });

/** A key makes none that may do more than itself. @throws ApiError forbidden */
function requireWithin(
  principal: Principal,
  scopes: readonly string[],
  adapters: readonly string[] | undefined,
): void {
  const has: ReadonlySet<string> = principal.scopes;
  const more = scopes.filter((scope) => !has.has(scope) && !has.has('admin'));
  if (more.length > 0)
    throw new ApiError('forbidden', `scopes: this key has no ${more.join(', ')} to give.`, {
      field: 'scopes',
    });
  const { only } = principal;
  if (only && !(adapters ?? ['']).every((id) => only.includes(id)))
    throw new ApiError('forbidden', `adapters: this key is for ${only.join(', ')} alone.`, {
      field: 'adapters',
    });
}

/** As long as the key that makes it, unless told otherwise, and no longer. @throws ApiError forbidden */
function lifeWithin({ expiresAt }: Principal, askedSeconds: number | undefined): number | undefined {
  if (!expiresAt) return askedSeconds;
  // By the library's own clock, which is what keys expire by.
  const left = Math.max(1, Math.floor((expiresAt.getTime() - Date.now()) / 1000));
  if (askedSeconds !== undefined && askedSeconds > left)
    throw new ApiError(
      'forbidden',
      `expiresInSeconds: this key expires at ${expiresAt.toISOString()}, and so does what it makes: leave it out.`,
      { field: 'expiresInSeconds' },
    );
  return askedSeconds ?? left;
}
