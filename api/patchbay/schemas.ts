/** Bodies of Patchbay's own protocol. They are the OpenAPI document, the checks at the edge and the client's types. */
import { z } from '@hono/zod-openapi';
import { ownerName } from '../../adapter/reference.ts';
import { SORTS } from '../../db/catalog.ts';
import { FACETS, RANK_BUCKETS, SIZE_BUCKETS } from '../../db/catalog-labels.ts';
import { ACCESS_STATUSES, ROLES, TOLD_KINDS, USAGE_KINDS, VERSION_STATUSES } from '../../db/schema.ts';
import { Findings } from '../../functions/verify.ts';
import { SCOPES } from '../auth.ts';
import { DeclaredFile } from '../publish.ts';

export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string(),
    field: z.string().optional(),
    problems: z
      .array(z.object({ code: z.string(), detail: z.string(), field: z.string().optional() }))
      .optional(),
    requestId: z.string(),
  })
  .openapi('Problem');

/** Text that Postgres can hold and compare: without NUL. */
export function storable(max: number) {
  return z
    .string()
    .max(max)
    .regex(/^[^\0]*$/, 'must not hold the character NUL');
}

export const Id = z.object({ owner: ownerName, name: ownerName });
export const VersionPath = Id.extend({ number: z.coerce.number().int().min(1).max(1e9) });

export const File = z.object({ path: z.string(), size: z.int(), sha256: z.string() }).openapi('File');

export const StartAdapter = z
  .object({ base: storable(200).min(3), files: z.array(DeclaredFile).min(1).max(16) })
  .openapi('StartAdapter');
export const StartBase = z.object({ files: z.array(DeclaredFile).min(1).max(2000) }).openapi('StartBase');

export const Draft = z
  .object({
    id: z.string(),
    expiresAt: z.string(),
    files: z.array(
      z.object({
        path: z.string(),
        size: z.int(),
        status: z.enum(['present', 'upload']).openapi({ description: '`present`: nothing to send' }),
        partSize: z.int().optional(),
        parts: z
          .array(z.object({ number: z.int(), size: z.int(), done: z.boolean(), url: z.string().optional() }))
          .optional()
          .openapi({
            description:
              'PUT bytes [(number - 1) * partSize, size) of the file to `url`; ask for the draft again for fresh URLs',
          }),
      }),
    ),
  })
  .openapi('Draft');

export const Version = z
  .object({
    number: z.int(),
    reference: z.string().openapi({ example: 'alice/sql@3' }),
    status: z
      .enum(VERSION_STATUSES)
      .openapi({ description: 'Only `passed` is listed; the others its publisher sees' }),
    digest: z.string(),
    base: z.string(),
    rank: z.int(),
    parameters: z.int(),
    targetModules: z.array(z.string()),
    size: z.int(),
    createdAt: z.string(),
    lineage: z
      .object({
        jobId: z.string(),
        base: z.object({ id: z.string(), digest: z.string() }),
        trainingFile: z.string().openapi({ description: 'sha256 of the file' }),
        validationFile: z.string().nullable(),
        parent: z.string().nullable(),
      })
      .nullable()
      .openapi({ description: 'What it was trained from, where it was trained here' }),
    receipt: z
      .record(z.string(), z.unknown())
      .nullable()
      .openapi({ description: 'How it was trained: enough to repeat it' }),
  })
  .openapi('Version');

const GateProblem = z.object({ code: z.string(), detail: z.string(), field: z.string().optional() });
export const Verification = z
  .object({
    rules: z.int().openapi({ description: 'Of the publish gate, counted up when it looks at more' }),
    status: z.enum(['waiting', 'running', 'passed', 'refused']),
    requestedAt: z.string(),
    checkedAt: z.string().nullable(),
    problems: z.array(GateProblem),
    findings: Findings.nullable(),
    record: z.string().nullable().openapi({
      description: 'Signed (JWS, EdDSA): all of this, and the digests. Keys: /.well-known/jwks.json',
    }),
  })
  .openapi('Verification');

export const VersionDetail = Version.extend({
  config: z.record(z.string(), z.unknown()),
  card: z.string(),
  files: z.array(File),
  verification: Verification.nullable().openapi({ description: 'The last one that is finished' }),
  runsOn: z.array(
    z.object({
      platform: z.string(),
      runs: z.enum(['yes', 'with changes', 'no']),
      reasons: z.array(z.string()),
      source: z.string(),
      asOf: z.string(),
    }),
  ),
}).openapi('VersionDetail');

export const Adapter = z
  .object({
    id: z.string(),
    owner: z.string(),
    name: z.string(),
    title: z.string(),
    summary: z.string(),
    base: z.string(),
    task: z.string().nullable(),
    license: z.string().nullable(),
    languages: z.array(z.string()),
    tags: z.array(z.string()),
    rank: z.int(),
    parameters: z.int(),
    size: z.int(),
    latest: z.int(),
    evalGain: z
      .number()
      .nullable()
      .openapi({ description: 'Nats per token that it is better than its base on held-out rows' }),
    visibility: z.enum(['public', 'private']),
    gate: z.enum(['auto', 'manual']).nullable(),
    downloads: z.int().openapi({ description: 'Of the last 30 days' }),
    likes: z.int(),
    createdAt: z.string(),
    updatedAt: z.string(),
  })
  .openapi('Adapter');

export const AdapterDetail = Adapter.extend({
  card: z.string(),
  cardHtml: z.string().openapi({ description: 'The card, rendered and safe to show' }),
  versions: z.array(Version),
}).openapi('AdapterDetail');

const text = storable(200).min(1);
const rank = z.coerce.number().int().min(1).max(100_000);
export const Search = z.object({
  q: storable(200).optional().openapi({ description: 'Words to look for; quotes, `or` and `-word` work' }),
  owner: text.optional(),
  base: text.optional(),
  task: text.optional(),
  language: text.optional(),
  license: text.optional(),
  tag: text.optional(),
  rank: z.enum(RANK_BUCKETS).optional().openapi({ description: 'Upper bound of the bucket' }),
  size: z.enum(SIZE_BUCKETS).optional().openapi({ description: 'Upper bound of the bucket' }),
  evaluated: z
    .enum(['publisher', 'base'])
    .optional()
    .openapi({ description: 'Compared with its base on held-out rows of its publisher, or of the base' }),
  warm: z
    .enum(['true'])
    .optional()
    .openapi({ description: 'Only those whose base is loaded: they answer at once' }),
  minRank: rank.optional(),
  maxRank: rank.optional(),
  sort: z
    .enum(SORTS)
    .optional()
    .openapi({ description: '`relevance` where there are words to look for, else `newest`' }),
  counts: z
    .enum(['true', 'false'])
    .default('false')
    .openapi({ description: 'Also count matches, and the values of each facet among them' }),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: z.string().max(500).optional().openapi({ description: '`next` of the page before' }),
});

const FacetValues = z.array(z.object({ value: z.string(), count: z.int() }));
export const AdapterPage = z
  .object({
    adapters: z.array(Adapter),
    next: z.string().nullable(),
    alike: z.boolean().openapi({ description: 'Nothing holds the words; these have a similar name' }),
    warm: z
      .array(z.string())
      .openapi({ description: 'Bases that are loaded: their adapters answer at once' }),
    counts: z
      .object({
        total: z.int(),
        exact: z
          .boolean()
          .openapi({ description: 'If not, there are more, and facets count this many of them' }),
        facets: z.record(z.enum(FACETS), FacetValues),
      })
      .optional(),
  })
  .openapi('AdapterPage');

export const FoundFile = z
  .object({ adapter: z.string(), version: z.int(), reference: z.string(), path: z.string() })
  .openapi('FoundFile');

export const Family = z
  .object({
    base: z.string(),
    ancestors: z.array(z.string()).openapi({ description: 'What it was trained from, nearest first' }),
    descendants: z
      .array(z.object({ reference: z.string(), parent: z.string() }))
      .openapi({ description: 'What was trained from it, and from that' }),
  })
  .openapi('Family');

export const Base = z
  .object({
    id: z.string(),
    digest: z.string(),
    architecture: z.string(),
    parameters: z.int(),
    contextLength: z.int(),
    hiddenSize: z.int(),
    layers: z.int(),
    vocabSize: z.int(),
    createdAt: z.string(),
  })
  .openapi('Base');
export const BaseDetail = Base.extend({
  card: z.string(),
  config: z.unknown(),
  files: z.array(File),
}).openapi('BaseDetail');

export const Completed = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('adapter'), created: z.boolean(), version: Version }),
    z.object({ kind: z.literal('base'), base: Base }),
  ])
  .openapi('Completed');

const Scope = z.enum(SCOPES);
export const NewKey = z
  .object({
    name: storable(64).min(1),
    scopes: z.array(Scope).min(1),
    expiresInSeconds: z
      .int()
      .min(86_400)
      .max(365 * 86_400)
      .optional(),
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
export const Whoami = z
  .object({
    owner: z.string(),
    scopes: z.array(Scope),
    adapters: z.array(z.string()).nullable(),
    organisations: z.array(z.object({ name: z.string(), role: z.enum(ROLES) })),
  })
  .openapi('Whoami');

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

const UsageKind = z.enum(USAGE_KINDS);
const statement = { owner: z.string(), month: z.string(), currency: z.literal('USD'), total: z.number() };
export const UsageStatement = z
  .object({
    ...statement,
    cap: z.number().nullable(),
    items: z.array(
      z.object({ model: z.string(), kind: UsageKind, quantity: z.number(), charge: z.number() }),
    ),
  })
  .openapi('UsageStatement');
export const EarningsStatement = z
  .object({
    ...statement,
    items: z.array(z.object({ adapter: z.string(), kind: UsageKind, amount: z.number() })),
  })
  .openapi('EarningsStatement');
export const SpendingCap = z
  .object({ cap: z.number().min(0).max(1e6).nullable().openapi({ description: 'In dollars; null: none' }) })
  .openapi('SpendingCap');
export const NewPrice = z
  .object({
    base: storable(200)
      .min(3)
      .nullable()
      .default(null)
      .openapi({ description: 'Null: all without a price of their own' }),
    kind: UsageKind,
    perMillion: z
      .number()
      .min(0)
      .max(1e6)
      .openapi({ description: 'Dollars for a million tokens, or bytes a day' }),
    ownersShare: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .openapi({ description: 'Of it, the part of the adapters’ owners' }),
    since: z.iso.datetime().optional(),
  })
  .openapi('NewPrice');
export const Price = z
  .object({
    base: z.string().nullable(),
    kind: UsageKind,
    perMillion: z.number(),
    ownersShare: z.number(),
    since: z.string(),
  })
  .openapi('Price');

const Told = z.enum(TOLD_KINDS);
export const NewWebhook = z
  .object({
    url: z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).max(2000),
    kinds: z.array(Told).min(1).optional().openapi({ description: 'All unless given' }),
    owner: ownerName.optional().openapi({ description: 'An organisation that you administer' }),
  })
  .openapi('NewWebhook');
export const Webhook = z
  .object({
    id: z.string(),
    owner: z.string(),
    url: z.string(),
    kinds: z.array(Told),
    createdAt: z.string(),
    disabled: z.boolean().openapi({ description: 'It was answered with 410' }),
  })
  .openapi('Webhook');
export const MadeWebhook = Webhook.extend({ secret: z.string() }).openapi('MadeWebhook');
export const Delivery = z
  .object({
    id: z.string(),
    kind: z.string(),
    subject: z.string(),
    status: z.enum(['waiting', 'delivered', 'failed']),
    attempts: z.int(),
    answer: z.string().nullable(),
    nextAt: z.string().nullable(),
  })
  .openapi('Delivery');
export const AuditEvent = z
  .object({
    id: z.int(),
    at: z.string(),
    actor: z.string().nullable(),
    kind: z.string(),
    subject: z.string(),
    data: z.record(z.string(), z.unknown()),
  })
  .openapi('AuditEvent');
