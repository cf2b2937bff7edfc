/**
 * Publishing from CI without a secret: a workflow shows the identity token that its platform gave it (OpenID Connect), and gets
 * a key for an hour, for the adapters whose owners trust that workflow. Tokens are taken of issuers that the operator lists
 * alone, so nobody can have this server ask any address.
 */
import {
  createRemoteJWKSet,
  decodeJwt,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';
import { z } from 'zod';
import type { Database } from '../db/open.ts';
import { type TrustedPublisher, trustedBy } from '../db/trusted-publishers.ts';
import type { Auth } from './auth.ts';
import { ApiError } from './errors.ts';

export interface TrustDeps {
  readonly db: Database;
  readonly auth: Auth;
  readonly oidcIssuers: readonly string[];
}

/** What the tokens must be made for. */
export const AUDIENCE = 'patchbay';
const KEY_SECONDS = 3600;
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'ES256', 'ES384', 'EdDSA'];
/** A token without one of these names nobody in particular: any workflow of the platform would be trusted. */
const NAMING = ['sub', 'repository', 'repository_id', 'project_path', 'project_id'];

const Discovery = z.object({ issuer: z.string(), jwks_uri: z.url() });

/** @throws ApiError invalid_request */
export function checkTrust(issuers: readonly string[], issuer: string, claims: Record<string, string>): void {
  if (!issuers.includes(issuer))
    throw new ApiError(
      'invalid_request',
      `issuer: this server takes tokens of ${issuers.join(', ') || 'nobody'}.`,
      {
        field: 'issuer',
      },
    );
  if (!NAMING.some((name) => claims[name]))
    throw new ApiError('invalid_request', `claims: name the workflow by one of ${NAMING.join(', ')}.`, {
      field: 'claims',
    });
}

const keySets = new Map<string, Promise<JWTVerifyGetKey>>();

/** @returns a key, shown only now. @throws ApiError unauthorized */
export async function exchangeToken({ db, auth, oidcIssuers }: TrustDeps, token: string) {
  const { iss } = decoded(token);
  if (!iss || !oidcIssuers.includes(iss))
    throw new ApiError('unauthorized', 'subject_token: of an issuer whose tokens are not taken here.');
  const payload = await verified(token, iss);
  const trusting = (await trustedBy(db, iss)).filter(({ claims }) => holds(payload, claims));
  const [first] = trusting;
  if (!first)
    throw new ApiError('unauthorized', 'subject_token: no adapter trusts this workflow to publish it.');
  // A key acts for one person; those of others get their own.
  const own = trusting.filter(({ createdBy }) => createdBy === first.createdBy);
  const adapters = [...new Set(own.map(({ adapterId }) => adapterId))];
  const name = `workflow ${payload.sub ?? ''}`.slice(0, 64);
  const made = await auth.createKey(first.createdBy, name, ['read', 'publish'], {
    actor: null, // the workflow, by whose name the key goes
    expiresInSeconds: KEY_SECONDS,
    adapters,
  });
  return { key: made.key, seconds: KEY_SECONDS, adapters };
}

const holds = (payload: JWTPayload, claims: TrustedPublisher['claims']): boolean =>
  Object.entries(claims).every(([name, value]) => payload[name] === value);

function decoded(token: string): JWTPayload {
  try {
    return decodeJwt(token);
  } catch {
    throw new ApiError('unauthorized', 'subject_token: is not a JSON Web Token.');
  }
}

async function verified(token: string, issuer: string): Promise<JWTPayload> {
  try {
    const keys = await keysOf(issuer);
    const wanted = { issuer, audience: AUDIENCE, algorithms: ALGORITHMS, requiredClaims: ['exp'] };
    return (await jwtVerify(token, keys, wanted)).payload;
  } catch (error) {
    if (error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError))
      throw new ApiError('unavailable', `The keys of ${issuer} cannot be read right now.`);
    throw new ApiError('unauthorized', `subject_token: ${error.message}.`);
  }
}

/** The library keeps the keys, and asks again when an unknown one is named. */
function keysOf(issuer: string): Promise<JWTVerifyGetKey> {
  const known = keySets.get(issuer);
  if (known) return known;
  const found = discover(issuer);
  keySets.set(issuer, found);
  found.catch(() => keySets.delete(issuer));
  return found;
}

async function discover(issuer: string): Promise<JWTVerifyGetKey> {
  const at = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const response = await fetch(at, { signal: AbortSignal.timeout(5_000), redirect: 'error' });
  const discovery = Discovery.parse(await response.json());
  if (discovery.issuer !== issuer) throw new Error(`${at} is of another issuer`);
  return createRemoteJWKSet(new URL(discovery.jwks_uri));
}
