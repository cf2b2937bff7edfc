/** Bodies of the routes of people, keys and access. */
import { z } from '@hono/zod-openapi';
import { ownerName } from '../../adapter/reference.ts';
import { ACCESS_STATUSES, ROLES } from '../../db/schema.ts';
import { SCOPES } from '../auth.ts';
import { storable } from './schemas.ts';

const Scope = z.enum(SCOPES);
export const NewKey = z
  .object({
    name: storable(64).min(1),
    scopes: z.array(Scope).min(1),
    expiresInSeconds: z
      .int()
      .min(86_400)
      .max(365 * 86_400)
      .optional()
      .openapi({ description: 'Unless given, as long as the key that makes it' }),
    adapters: z
      .array(storable(200).regex(/^[^/]+\/[^/]+$/, 'must be owner/name'))
      .min(1)
      .max(100)
      .optional()
      .openapi({ description: 'The key is for these alone' }),
    owner: ownerName.optional().openapi({
      description:
        'Whose key: of a service account of an organisation that you administer. The server’s admin may name anybody, who is made if need be',
    }),
  })
  .openapi('NewKey');
export const Key = z
  .object({
    id: z.string(),
    name: z.string(),
    start: z.string(),
    scopes: z.array(Scope),
    adapters: z.array(z.string()).nullable(),
    createdAt: z.string(),
    expiresAt: z.string().nullable(),
  })
  .openapi('Key');
export const MadeKey = Key.omit({ start: true })
  .extend({ key: z.string().openapi({ description: 'Shown only now' }) })
  .openapi('MadeKey');
export const SignInWays = z
  .object({
    signUp: z.boolean().openapi({ description: 'Whether anybody may make an account' }),
    github: z.boolean(),
  })
  .openapi('SignInWays');
export const Whoami = z
  .object({
    owner: z.string(),
    scopes: z.array(Scope),
    adapters: z.array(z.string()).nullable(),
    organisations: z.array(z.object({ name: z.string(), role: z.enum(ROLES) })),
  })
  .openapi('Whoami');

/** Who is new, or has only keys, or has lost the password. */
export const NewPerson = z
  .object({
    name: ownerName,
    email: z
      .email()
      .max(254)
      .toLowerCase()
      .openapi({ description: 'What they sign in with; of an account that is there already, its own' }),
  })
  .openapi('NewPerson');
export const GivenPassword = z
  .object({
    name: z.string(),
    email: z.string(),
    password: z.string().openapi({ description: 'Shown only now; its owner can change it in the settings' }),
  })
  .openapi('GivenPassword');

export const HeldKeys = z
  .object({ keys: z.array(z.string().min(1).max(200)).min(1).max(1000) })
  .openapi('HeldKeys');

export const Member = z
  .object({
    name: z.string(),
    kind: z.enum(['person', 'organisation', 'service']),
    role: z.enum(ROLES),
    since: z.string(),
  })
  .openapi('Member');
export const MemberRole = z.object({ role: z.enum(ROLES) }).openapi('MemberRole');
export const NewServiceAccount = z
  .object({ name: ownerName, role: z.enum(ROLES).default('write') })
  .openapi('NewServiceAccount');

export const Settings = z
  .object({
    visibility: z
      .enum(['public', 'private'])
      .openapi({ description: 'To others, a private adapter is as good as missing' }),
    gate: z.enum(['auto', 'manual']).nullable().openapi({
      description:
        'Who wants weights or answers asks first: `auto` lets in whoever asks, `manual` whom you accept',
    }),
  })
  .openapi('Settings');

export const AccessStatus = z.enum(ACCESS_STATUSES);
export const AccessRequest = z
  .object({
    user: z.string(),
    status: AccessStatus,
    message: z.string(),
    createdAt: z.string(),
    decidedAt: z.string().nullable(),
  })
  .openapi('AccessRequest');

export const NewTrustedPublisher = z
  .object({
    issuer: z.url().max(200).openapi({ example: 'https://token.actions.githubusercontent.com' }),
    claims: z.record(storable(100).min(1), storable(500).min(1)).openapi({
      description: 'All of these must be in the token',
      example: { repository: 'alice/adapters', ref: 'refs/heads/main' },
    }),
  })
  .openapi('NewTrustedPublisher');
export const TrustedPublisher = NewTrustedPublisher.extend({ id: z.string(), createdAt: z.string() }).openapi(
  'TrustedPublisher',
);
export const Exchanged = z
  .object({
    access_token: z.string(),
    issued_token_type: z.string(),
    token_type: z.literal('Bearer'),
    expires_in: z.int(),
    scope: z.string(),
    adapters: z.array(z.string()),
  })
  .openapi('Exchanged');
