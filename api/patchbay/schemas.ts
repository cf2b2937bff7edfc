/** Bodies of the catalog and of publishing. They are the OpenAPI document and the checks at the edge. */
import { z } from '@hono/zod-openapi';
import { ownerName } from '../../adapter/reference.ts';
import { SORTS } from '../../db/catalog.ts';
import { FACETS, RANK_BUCKETS, SIZE_BUCKETS } from '../../db/catalog-labels.ts';
import { VERSION_STATUSES } from '../../db/schema.ts';
import { Findings } from '../../functions/verify.ts';
import { DeclaredFile } from '../declared-files.ts';

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
  .object({
    base: storable(200).min(3),
    files: z.array(DeclaredFile).min(1).max(16),
    visibility: z.literal('private').optional().openapi({
      description: 'A new adapter begins private. What one that is there is, is changed with PATCH',
    }),
  })
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
    branch: z.string().nullable().openapi({ description: 'It was committed to; null: `main`' }),
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
        step: z.int().optional().openapi({ description: 'Of the checkpoint that was promoted' }),
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

const CardHtml = z.string().openapi({ description: 'The card, rendered and safe to show' });
/** What is shown of an adapter, and of each of its versions. */
const about = {
  title: z.string(),
  summary: z.string(),
  task: z.string().nullable(),
  license: z.string().nullable(),
  languages: z.array(z.string()),
  tags: z.array(z.string()),
  evalGain: z
    .number()
    .nullable()
    .openapi({ description: 'Nats per token that it is better than its base on held-out rows' }),
  evaluation: z
    .object({
      rows: z.int(),
      gain: z.object({ low: z.number(), high: z.number() }),
      accuracy: z.object({ base: z.number(), adapter: z.number() }),
    })
    .nullable()
    .openapi({ description: 'The gain’s 95% confidence interval, and the share of rows answered right' }),
};

export const VersionDetail = Version.extend({
  ...about,
  config: z.record(z.string(), z.unknown()),
  card: z.string(),
  cardHtml: CardHtml,
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
    ...about,
    base: z.string(),
    rank: z.int(),
    parameters: z.int(),
    size: z.int(),
    latest: z.int(),
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
  liked: z.boolean().openapi({ description: 'By whoever asks' }),
  cardHtml: CardHtml,
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

export const NewReport = z
  .object({
    reason: z.enum(['harmful', 'licence', 'misleading', 'broken', 'other']),
    message: storable(2000).default(''),
  })
  .openapi('NewReport');

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
  cardHtml: CardHtml,
  config: z.unknown(),
  files: z.array(File),
}).openapi('BaseDetail');

export const Completed = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('adapter'), created: z.boolean(), version: Version }),
    z.object({ kind: z.literal('base'), base: Base }),
  ])
  .openapi('Completed');
