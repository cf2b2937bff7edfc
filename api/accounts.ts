/** Accounts and sessions, kept by better-auth; and the few of its routes that are served. */
import { apiKey } from '@better-auth/api-key';
import { betterAuth } from 'better-auth';
import { drizzleAdapter } from 'better-auth/adapters/drizzle';
import { APIError } from 'better-auth/api';
import { ownerName } from '../adapter/reference.ts';
import type { Database } from '../db/open.ts';
import { isTaken } from '../db/people.ts';
import * as schema from '../db/schema.ts';

export const KEY_PREFIX = 'pb_';
const KEY_LENGTH = 48;

export interface AccountSettings {
  readonly secret: string;
  /** What browsers reach the server at. */
  readonly baseUrl: string;
  /** Whether anybody may make an account. */
  readonly signUp: boolean;
  /** Sign-in with GitHub, where an application is registered there. */
  readonly github: { readonly clientId: string; readonly clientSecret: string } | undefined;
}

export const ACCOUNTS = '/api/auth';

/**
 * The library has many more, such as for keys, which know nothing of our scopes and leave no line in our log: what is not here
 * is not served. Below `ACCOUNTS`.
 */
export const ACCOUNT_ROUTES = [
  { method: 'POST', path: '/sign-up/email' },
  { method: 'POST', path: '/sign-in/email' },
  { method: 'POST', path: '/sign-in/social' },
  { method: 'GET', path: '/callback/:id' },
  { method: 'POST', path: '/sign-out' },
  { method: 'POST', path: '/change-password' },
] as const;

export function openAccounts(db: Database, settings: AccountSettings) {
  return betterAuth({
    database: drizzleAdapter(db, { provider: 'pg', schema }),
    secret: settings.secret,
    baseURL: settings.baseUrl,
    telemetry: { enabled: false },
    rateLimit: { enabled: false }, // limits.ts counts, by the address that our proxy saw
    logger: { disabled: true },
    // Where a browser ends that GitHub sent back and that cannot be let in: the page says why, by the code in `error`.
    onAPIError: { errorURL: '/sign-in' },
    // Pages of this server, under whichever of its names a browser came by.
    trustedOrigins: (request) => (request ? [new URL(request.url).origin] : []),
    // Said, because the library leaves these checks out where it takes its surroundings for a test.
    advanced: { disableOriginCheck: false, disableCSRFCheck: false },
    emailAndPassword: { enabled: true, disableSignUp: !settings.signUp },
    socialProviders: settings.github
      ? {
          github: {
            ...settings.github,
            disableSignUp: !settings.signUp,
            mapProfileToUser: ({ login }) => ({ name: login.toLowerCase() }),
          },
        }
      : {},
    databaseHooks: {
      user: { create: { before: (person) => named(db, person) }, update: { before: keepsName } },
      account: { create: { before: withoutTokens }, update: { before: withoutTokens } },
    },
    plugins: [
      apiKey({
        defaultPrefix: KEY_PREFIX,
        defaultKeyLength: KEY_LENGTH,
        rateLimit: { enabled: false },
        maximumNameLength: 64,
        enableMetadata: true,
        keyExpiration: { minExpiresIn: 1 / 86_400 }, // in days: a second, as may be left of the key that makes one
      }),
    ],
  });
}

/** A person's name is what they publish under: it has that form, and nobody has it yet. @throws APIError */
async function named<T extends { name: string }>(db: Database, person: T): Promise<{ data: T }> {
  const checked = ownerName.safeParse(person.name);
  if (!checked.success)
    throw new APIError('BAD_REQUEST', {
      code: 'name_invalid',
      message: `name: ${checked.error.issues[0]!.message}`,
    });
  if (await isTaken(db, person.name))
    throw new APIError('CONFLICT', {
      code: 'name_taken',
      message: `name: ${person.name} is taken; choose another one.`,
    });
  return { data: person };
}

/** What is published, used and owed goes by it. @throws APIError */
async function keepsName({ name }: { name?: string | undefined }): Promise<void> {
  if (name !== undefined)
    throw new APIError('BAD_REQUEST', { message: 'name: it cannot be changed; make another account.' });
}

/** Who somebody is was read by then, and nothing else ever is: a database that is stolen opens nobody's account at GitHub. */
async function withoutTokens<T extends object>(held: T) {
  return { data: { ...held, accessToken: null, refreshToken: null, idToken: null } };
}
