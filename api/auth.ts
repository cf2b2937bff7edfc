/**
 * Who is asking. Keys are better-auth's (its API-key plugin): random, shown once, hashed at rest, with permissions. The
 * same library keeps accounts and sessions (accounts.ts).
 */
import { defaultKeyHasher } from '@better-auth/api-key';
import { desc, eq, inArray } from 'drizzle-orm';
import { base64url } from 'jose';
import { LRUCache } from 'lru-cache';
import type { Database } from '../db/open.ts';
import { givePassword, noEmail, rolesOf } from '../db/people.ts';
import type { Role } from '../db/schema.ts';
import * as schema from '../db/schema.ts';
import { addEvent } from '../db/webhooks.ts';
import { type AccountSettings, openAccounts } from './accounts.ts';
import { ApiError } from './errors.ts';

/** `manage`: keys, organisations and settings of one's own. */
export const SCOPES = ['read', 'publish', 'infer', 'train', 'manage', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

export interface Principal {
  readonly userId: string;
  /** The namespace that this principal publishes under. */
  readonly owner: string;
  readonly keyId: string;
  readonly scopes: ReadonlySet<Scope>;
  /** By organisation. */
  readonly roles: ReadonlyMap<string, Role>;
  /** The adapters that the key is for; undefined: all. */
  readonly only: readonly string[] | undefined;
  /** Of the key; undefined: never. */
  readonly expiresAt: Date | undefined;
}

/** How long a verified key is believed without asking again; another process's revocation takes this long. */
const BELIEVED_MS = 5_000;
const LATELY_MS = 3_600_000;
const BELIEVED_KEYS = 10_000;

export type Auth = ReturnType<typeof createAuth>;

/** What a person may do who is signed in; the server's admin acts by keys. */
const SESSION_SCOPES: readonly Scope[] = ['read', 'publish', 'infer', 'train', 'manage'];

export function createAuth(db: Database, settings: AccountSettings) {
  const auth = openAccounts(db, settings);
  /** @param whose key; @param actor who did it, which for a service account is another */
  const note = async (whose: string, actor: string | null, kind: string, data: Record<string, unknown>) => {
    const [person] = await db.select().from(schema.user).where(eq(schema.user.id, whose));
    if (person) await addEvent(db, { actor, kind, subject: person.name, data });
  };
  // No resolution: it would stop the clock with a timer, which at the edge ends with the request, and never starts it again.
  const believed = new LRUCache<string, Principal>({
    max: BELIEVED_KEYS,
    ttl: BELIEVED_MS,
    ttlResolution: 0,
  });
  /** Keys that were valid a while ago: they are looked up whatever others send from the same address. */
  const lately = new LRUCache<string, true>({ max: BELIEVED_KEYS, ttl: LATELY_MS, ttlResolution: 0 });
  /** Counts revocations: what was verified before one and arrives after it is not believed. */
  let revocations = 0;

  /** The library says "invalid" also of a key that it could not look up, while the database was away. */
  const refuseInvalid = async (key: string, code: unknown): Promise<never> => {
    const [stored] = await db
      .select({ id: schema.apikey.id })
      .from(schema.apikey)
      .where(eq(schema.apikey.key, await defaultKeyHasher(key)));
    if (stored && code === 'INVALID_API_KEY')
      throw new ApiError('unavailable', 'The key could not be looked up; try again in a moment.', {
        retryAfterSeconds: 1,
      });
    throw new ApiError('unauthorized', 'This key is not valid: it is unknown, revoked or expired.');
  };

  const principalOf = async (
    person: { id: string; name: string },
    held: Omit<Principal, 'userId' | 'owner' | 'roles'>,
  ): Promise<Principal> => ({
    ...held,
    userId: person.id,
    owner: person.name,
    roles: await rolesOf(db, person.id),
  });

  return {
    /** How people may sign in. */
    ways: { signUp: settings.signUp, github: settings.github !== undefined },

    /** Accounts and sessions, as the library serves them: what is in ACCOUNT_ROUTES. */
    handle: (request: Request): Promise<Response> => auth.handler(request),

    /** Whoever is signed in in this browser. */
    async session(headers: Headers): Promise<Principal | undefined> {
      if (!headers.get('cookie')?.includes('better-auth')) return undefined;
      const found = await auth.api.getSession({ headers });
      if (!found) return undefined;
      return principalOf(found.user, {
        keyId: found.session.id,
        scopes: new Set(SESSION_SCOPES),
        only: undefined,
        // A session is no key: what is made in it stays when it is over.
        expiresAt: undefined,
      });
    },

    /**
     * The principal of `Authorization: Bearer pb_...`; undefined without the header.
     * @param beforeLookUp is called before the database is asked for a key that was not valid here lately
     * @throws ApiError unauthorized, and what `beforeLookUp` throws
     */
    async authenticate(
      header: string | undefined,
      beforeLookUp: () => void = () => undefined,
    ): Promise<Principal | undefined> {
      if (header === undefined) return undefined;
      // `@huggingface/hub` sends only what begins with `hf_`: its users put that in front.
      const key = /^Bearer\s+(?:hf_(?=pb_))?(\S+)$/i.exec(header)?.[1];
      if (!key) throw new ApiError('unauthorized', 'The Authorization header must be `Bearer <key>`.');
      const known = believed.get(key);
      if (known) return known;
      if (!lately.has(key)) beforeLookUp();
      const before = revocations;
      const { valid, key: found, error } = await auth.api.verifyApiKey({ body: { key } });
      if (!valid || !found) {
        lately.delete(key);
        return refuseInvalid(key, error?.code);
      }
      const [owner] = await db.select().from(schema.user).where(eq(schema.user.id, found.referenceId));
      if (!owner) throw new ApiError('unauthorized', 'The account of this key no longer exists.');
      const granted = found.permissions?.['patchbay'] ?? [];
      const principal = await principalOf(owner, {
        keyId: found.id,
        scopes: new Set(SCOPES.filter((scope) => granted.includes(scope))),
        only: found.metadata?.['adapters'],
        expiresAt: found.expiresAt ?? undefined,
      });
      lately.set(key, true);
      if (before === revocations) believed.set(key, principal);
      return principal;
    },

    /**
     * Makes a key; only now can it be read.
     * @param actor who makes it; null: nobody of those who have accounts. @param adapters it is for these alone
     */
    async createKey(
      userId: string,
      name: string,
      scopes: readonly Scope[],
      {
        actor,
        expiresInSeconds,
        adapters,
      }: {
        actor: string | null;
        expiresInSeconds?: number | undefined;
        adapters?: readonly string[] | undefined;
      },
    ) {
      const made = await auth.api.createApiKey({
        body: {
          userId,
          name,
          permissions: { patchbay: [...scopes] },
          ...(expiresInSeconds ? { expiresIn: expiresInSeconds } : {}),
          ...(adapters ? { metadata: { adapters: [...adapters] } } : {}),
        },
      });
      const data = { id: made.id, name, scopes, adapters: adapters ?? null };
      await note(userId, actor, 'key.created', data);
      return {
        id: made.id,
        key: made.key,
        name,
        scopes,
        adapters: adapters ? [...adapters] : null,
        createdAt: made.createdAt,
        expiresAt: made.expiresAt ?? null,
      };
    },

    async listKeys(userId: string) {
      const rows = await db
        .select()
        .from(schema.apikey)
        .where(eq(schema.apikey.referenceId, userId))
        .orderBy(desc(schema.apikey.createdAt));
      return rows.map(({ id, name, start, createdAt, expiresAt, permissions, metadata }) => ({
        id,
        name: name ?? '',
        start: start ?? '',
        scopes: scopesOf(permissions),
        adapters: (metadata ? (JSON.parse(metadata) as Metadata | null)?.adapters : null) ?? null,
        createdAt,
        expiresAt,
      }));
    },

    /** Whose key it is. */
    async ownerOfKey(keyId: string): Promise<{ id: string; name: string } | undefined> {
      const [row] = await db
        .select({ id: schema.user.id, name: schema.user.name })
        .from(schema.apikey)
        .innerJoin(schema.user, eq(schema.user.id, schema.apikey.referenceId))
        .where(eq(schema.apikey.id, keyId));
      return row;
    },

    /** Whoever holds keys may end them, and nobody knows who that is. @returns how many of them were keys */
    async revokeHeld(keys: readonly string[]): Promise<number> {
      const hashes = await Promise.all(keys.map((key) => defaultKeyHasher(key.replace(/^hf_(?=pb_)/, ''))));
      const found = await db
        .select({ id: schema.apikey.id })
        .from(schema.apikey)
        .where(inArray(schema.apikey.key, hashes));
      let revoked = 0;
      for (const { id } of found) if (await this.revokeKey(id, null)) revoked++;
      return revoked;
    },

    /** Roles have changed: nobody is believed any more. */
    forget(): void {
      revocations++;
      believed.clear();
    },

    /** @param actor null: whoever held it. @returns false: there is no such key */
    async revokeKey(keyId: string, actor: string | null): Promise<boolean> {
      const gone = await db
        .delete(schema.apikey)
        .where(eq(schema.apikey.id, keyId))
        .returning({ id: schema.apikey.id, userId: schema.apikey.referenceId });
      for (const { id, userId } of gone) await note(userId, actor, 'key.revoked', { id });
      revocations++;
      for (const [key, principal] of believed.entries()) if (principal.keyId === keyId) believed.delete(key);
      return gone.length > 0;
    },

    /**
     * A password for somebody, who is made if need be: also under a name that something is published under.
     * @returns the password, which is known only now. @throws ApiError conflict
     */
    async givePassword(name: string, email: string, actor: string): Promise<string> {
      const password = base64url.encode(crypto.getRandomValues(new Uint8Array(15)));
      const kept = await (await auth.$context).password.hash(password);
      const outcome = await givePassword(db, { name, email, password: kept, actor });
      if (outcome === 'given') return password;
      const [field, detail] = {
        'not a person': ['name', `${name} is an organisation or a service account; choose another name.`],
        'other email': ['email', `${name} has an account, with another address.`],
        'email taken': ['email', `${email} is the address of another account.`],
      }[outcome] as [string, string];
      throw new ApiError('conflict', `${field}: ${detail}`, { field });
    },

    /** The user of this name, made where there is none. */
    async ensureUser(name: string): Promise<string> {
      const id = crypto.randomUUID();
      await db
        .insert(schema.user)
        .values({ id, name, email: noEmail(name) })
        .onConflictDoNothing();
      const [row] = await db
        .select({ id: schema.user.id })
        .from(schema.user)
        .where(eq(schema.user.name, name));
      if (!row) throw new Error(`user ${name} could not be made`);
      return row.id;
    },
  };
}

interface Metadata {
  readonly adapters?: string[];
}

function scopesOf(permissions: string | null): Scope[] {
  const granted = permissions
    ? ((JSON.parse(permissions) as Record<string, string[]>)['patchbay'] ?? [])
    : [];
  return SCOPES.filter((scope) => granted.includes(scope));
}

/** @throws ApiError unauthorized without a key, insufficient_scope without the scope; admin may do everything */
export function requireScope(principal: Principal | undefined, scope: Scope): Principal {
  if (!principal) throw new ApiError('unauthorized', 'This needs a key: send `Authorization: Bearer <key>`.');
  if (principal.scopes.has(scope) || principal.scopes.has('admin')) return principal;
  throw new ApiError(
    'insufficient_scope',
    `This key lacks the scope \`${scope}\`; it has ${[...principal.scopes].join(', ') || 'none'}.`,
  );
}
