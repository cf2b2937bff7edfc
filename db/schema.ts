/**
 * The tables. Metadata only: bytes live in the object store under blobs/<sha256>. What is on its way in is a draft; a
 * version row exists once its files were checked, and is listed once the publish gate has passed it.
 */
import { sql } from 'drizzle-orm';
import {
  bigint,
  bigserial,
  boolean,
  customType,
  date,
  doublePrecision,
  foreignKey,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  real,
  text,
  timestamp,
  uniqueIndex,
} from 'drizzle-orm/pg-core';

/** Milliseconds, as JavaScript has: a cursor that holds a time must compare equal to the row it came from. */
const time = (name: string) => timestamp(name, { withTimezone: true, precision: 3, mode: 'date' });
const now = sql`now()`;
const tsvector = customType<{ data: string }>({ dataType: () => 'tsvector' });
const long = (name: string) => bigint(name, { mode: 'number' });

/** What a trained version was made from. */
export interface Lineage {
  readonly jobId: string;
  readonly base: { readonly id: string; readonly digest: string };
  /** sha256 of the files. */
  readonly trainingFile: string;
  readonly validationFile: string | null;
  /** The version that training continued from, `owner/name@3`. */
  readonly parent: string | null;
  /** After which a checkpoint was kept, where that was promoted. */
  readonly step?: number | undefined;
}

// --- people and keys: the tables that better-auth and its API-key plugin ask for ------------------------------------

export const user = pgTable('user', {
  id: text('id').primaryKey(),
  /** Also the namespace that this user publishes under. */
  name: text('name').notNull().unique(),
  email: text('email').notNull().unique(),
  emailVerified: boolean('email_verified').notNull().default(false),
  image: text('image'),
  /** An organisation has no keys; a service account belongs to one. All share one space of names. */
  kind: text('kind').notNull().default('person').$type<'person' | 'organisation' | 'service'>(),
  /** Name of the organisation that a service account belongs to. */
  organisation: text('organisation'),
  /** What may be spent in a month; null: no limit. In nanodollars. */
  monthlyCap: long('monthly_cap'),
  createdAt: time('created_at').notNull().default(now),
  updatedAt: time('updated_at').notNull().default(now),
});

export const ROLES = ['read', 'write', 'admin'] as const;
export type Role = (typeof ROLES)[number];

export const members = pgTable(
  'members',
  {
    /** Its name. */
    organisation: text('organisation')
      .notNull()
      .references(() => user.name),
    userId: text('user_id')
      .notNull()
      .references(() => user.id, { onDelete: 'cascade' }),
    role: text('role').notNull().$type<Role>(),
    createdAt: time('created_at').notNull().default(now),
  },
  (t) => [primaryKey({ columns: [t.organisation, t.userId] }), index('members_user').on(t.userId)],
);

export const session = pgTable('session', {
  id: text('id').primaryKey(),
  userId: text('user_id')
    .notNull()
    .references(() => user.id, { onDelete: 'cascade' }),
  token: text('token').notNull().unique(),
  expiresAt: time('expires_at').notNull(),
  ipAddress: text('ip_address'),
  userAgent: text('user_agent'),
  createdAt: time('created_at').notNull().default(now),
  updatedAt: time('updated_at').notNull().default(now),
});

export const account = pgTable('account', {
  id: text('id').primaryKey(),
  userId: text('user_id')
    .notNull()
    .references(() => user.id, { onDelete: 'cascade' }),
  accountId: text('account_id').notNull(),
  providerId: text('provider_id').notNull(),
  accessToken: text('access_token'),
  refreshToken: text('refresh_token'),
  idToken: text('id_token'),
  accessTokenExpiresAt: time('access_token_expires_at'),
  refreshTokenExpiresAt: time('refresh_token_expires_at'),
  scope: text('scope'),
  password: text('password'),
  createdAt: time('created_at').notNull().default(now),
  updatedAt: time('updated_at').notNull().default(now),
});

export const verification = pgTable('verification', {
  id: text('id').primaryKey(),
  identifier: text('identifier').notNull(),
  value: text('value').notNull(),
  expiresAt: time('expires_at').notNull(),
  createdAt: time('created_at').notNull().default(now),
  updatedAt: time('updated_at').notNull().default(now),
});

export const apikey = pgTable(
  'apikey',
  {
    id: text('id').primaryKey(),
    configId: text('config_id').notNull().default('default'),
    name: text('name'),
    start: text('start'),
    referenceId: text('reference_id')
      .notNull()
      .references(() => user.id, { onDelete: 'cascade' }),
    prefix: text('prefix'),
    /** A hash: the key itself is shown once and stored nowhere. */
    key: text('key').notNull(),
    refillInterval: integer('refill_interval'),
    refillAmount: integer('refill_amount'),
    lastRefillAt: time('last_refill_at'),
    enabled: boolean('enabled').notNull().default(true),
    rateLimitEnabled: boolean('rate_limit_enabled').notNull().default(false),
    rateLimitTimeWindow: integer('rate_limit_time_window'),
    rateLimitMax: integer('rate_limit_max'),
    requestCount: integer('request_count').notNull().default(0),
    remaining: integer('remaining'),
    lastRequest: time('last_request'),
    expiresAt: time('expires_at'),
    createdAt: time('created_at').notNull().default(now),
    updatedAt: time('updated_at').notNull().default(now),
    permissions: text('permissions'),
    metadata: text('metadata'),
  },
  (t) => [uniqueIndex('apikey_key').on(t.key), index('apikey_reference').on(t.referenceId)],
);

// --- blobs -----------------------------------------------------------------------------------------------------------

/** Content whose size and digest were checked. Never changes; its bytes follow the row (blobs.ts). */
export const blobs = pgTable('blobs', {
  sha256: text('sha256').primaryKey(),
  size: long('size').notNull(),
  createdAt: time('created_at').notNull().default(now),
  /** When somebody last set out to put its bytes in place. */
  announcedAt: time('announced_at').notNull().default(now),
});

// --- base models -----------------------------------------------------------------------------------------------------

export const bases = pgTable('bases', {
  /** owner/name */
  id: text('id').primaryKey(),
  /** Over its files: names exactly this checkpoint. */
  digest: text('digest').notNull(),
  /** config.json as it came. */
  config: jsonb('config').notNull().$type<unknown>(),
  parameters: long('parameters').notNull(),
  card: text('card').notNull().default(''),
  createdBy: text('created_by')
    .notNull()
    .references(() => user.id),
  createdAt: time('created_at').notNull().default(now),
});

export const baseFiles = pgTable(
  'base_files',
  {
    baseId: text('base_id')
      .notNull()
      .references(() => bases.id),
    path: text('path').notNull(),
    sha256: text('sha256')
      .notNull()
      .references(() => blobs.sha256),
    size: long('size').notNull(),
  },
  (t) => [primaryKey({ columns: [t.baseId, t.path] })],
);

// --- adapters --------------------------------------------------------------------------------------------------------

export type Visibility = 'public' | 'private';
/** `auto`: whoever asks is let in, and known. */
export type Gate = 'auto' | 'manual';

/** What was settled for an adapter, perhaps before its first version. */
export const adapterSettings = pgTable('adapter_settings', {
  /** owner/name */
  id: text('id').primaryKey(),
  visibility: text('visibility').notNull().default('public').$type<Visibility>(),
  gate: text('gate').$type<Gate | null>(),
});

/** What the catalog shows beside the gain: how sure it is, and how many rows are answered right. */
export interface EvaluationSummary {
  readonly rows: number;
  /** 95% confidence interval of the gain, in nats per token. */
  readonly gain: { readonly low: number; readonly high: number };
  /** Share of the rows whose whole answer is the most probable one. */
  readonly accuracy: { readonly base: number; readonly adapter: number };
}

export const adapters = pgTable(
  'adapters',
  {
    /** owner/name */
    id: text('id').primaryKey(),
    owner: text('owner').notNull(),
    name: text('name').notNull(),
    createdAt: time('created_at').notNull().default(now),
    updatedAt: time('updated_at').notNull().default(now),
    visibility: text('visibility').notNull().default('public').$type<Visibility>(),
    /** Who wants the weights, or answers, asks first; null: nobody has to. */
    gate: text('gate').$type<Gate | null>(),
    // What follows repeats the latest version, for search.
    latest: integer('latest').notNull(),
    baseId: text('base_id')
      .notNull()
      .references(() => bases.id),
    title: text('title').notNull(),
    summary: text('summary').notNull(),
    task: text('task'),
    license: text('license'),
    languages: text('languages').array().notNull(),
    tags: text('tags').array().notNull(),
    rank: integer('rank').notNull(),
    parameters: long('parameters').notNull(),
    size: long('size').notNull(),
    /** Nats per token that it is better than its base on held-out rows; null: not measured. */
    evalGain: real('eval_gain'),
    evaluation: jsonb('evaluation').$type<EvaluationSummary | null>(),
    /** What it is called. */
    namesText: text('names_text').notNull().default(''),
    names: tsvector('names').generatedAlwaysAs(sql`to_tsvector('english', names_text)`),
    /** Everything that is searched. */
    searchText: text('search_text').notNull(),
    search: tsvector('search').generatedAlwaysAs(sql`to_tsvector('english', search_text)`),
    /** What it is found and counted by, such as `base:patchbay/tiny` (catalog-labels.ts). */
    labels: text('labels').array().notNull().default(sql`'{}'`),
    // What follows is counted.
    /** Of the last thirty days. */
    downloads: long('downloads').notNull().default(0),
    likes: integer('likes').notNull().default(0),
  },
  (t) => [
    // Together: words and labels are then looked up in one walk, which skips in long lists what the short ones lack.
    index('adapters_found_by').using('gin', t.search, t.names, t.labels),
    index('adapters_names_trigrams').using('gin', sql`${t.namesText} gin_trgm_ops`),
    /** Of names that begin with a letter or two, which have no trigrams: whatever the database's order of letters, this is by bytes. */
    index('adapters_name_prefix').on(sql`${t.name} collate "C"`, t.id),
    index('adapters_rank').on(t.rank),
    // One for each order that the catalog can be walked in, backwards.
    index('adapters_newest').on(t.createdAt, t.id),
    index('adapters_downloads').on(t.downloads, t.createdAt, t.id),
    index('adapters_likes').on(t.likes, t.createdAt, t.id),
    index('adapters_gain').on(t.evalGain, t.createdAt, t.id).where(sql`eval_gain is not null`),
  ],
);

export const likes = pgTable(
  'likes',
  {
    adapterId: text('adapter_id')
      .notNull()
      .references(() => adapters.id),
    userId: text('user_id')
      .notNull()
      .references(() => user.id),
    createdAt: time('created_at').notNull().default(now),
  },
  (t) => [primaryKey({ columns: [t.adapterId, t.userId] })],
);

export const ACCESS_STATUSES = ['pending', 'accepted', 'rejected'] as const;

/** Of gated adapters. */
export const accessRequests = pgTable(
  'access_requests',
  {
    /** owner/name */
    adapterId: text('adapter_id').notNull(),
    userId: text('user_id')
      .notNull()
      .references(() => user.id, { onDelete: 'cascade' }),
    status: text('status').notNull().$type<(typeof ACCESS_STATUSES)[number]>(),
    /** What the one who asks says. */
    message: text('message').notNull().default(''),
    createdAt: time('created_at').notNull().default(now),
    decidedAt: time('decided_at'),
    decidedBy: text('decided_by'),
  },
  (t) => [primaryKey({ columns: [t.adapterId, t.userId] })],
);

/** Workflows elsewhere that may publish an adapter without a secret of ours: their tokens' issuer, and what those must claim. */
export const trustedPublishers = pgTable(
  'trusted_publishers',
  {
    id: text('id').primaryKey(),
    /** owner/name */
    adapterId: text('adapter_id').notNull(),
    issuer: text('issuer').notNull(),
    claims: jsonb('claims').notNull().$type<Record<string, string>>(),
    /** In whose name it publishes. */
    createdBy: text('created_by')
      .notNull()
      .references(() => user.id, { onDelete: 'cascade' }),
    createdAt: time('created_at').notNull().default(now),
  },
  (t) => [
    index('trusted_publishers_issuer').on(t.issuer),
    index('trusted_publishers_adapter').on(t.adapterId),
  ],
);

/** By day; those that are no longer among the last thirty are taken off the adapter's sum, and removed. */
export const downloads = pgTable(
  'downloads',
  {
    adapterId: text('adapter_id')
      .notNull()
      .references(() => adapters.id),
    day: date('day', { mode: 'string' }).notNull(),
    count: long('count').notNull(),
  },
  (t) => [primaryKey({ columns: [t.adapterId, t.day] }), index('downloads_day').on(t.day)],
);

/** How many adapters have a label, counted now and then: what a search without filters shows. */
export const labelCounts = pgTable('label_counts', {
  label: text('label').primaryKey(),
  count: long('count').notNull(),
});

/** `quarantined` by the server's admin, or by the gate when its rules changed; `withdrawn` by its publisher. */
export const VERSION_STATUSES = ['pending', 'passed', 'refused', 'quarantined', 'withdrawn'] as const;
export type VersionStatus = (typeof VERSION_STATUSES)[number];

export const versions = pgTable(
  'versions',
  {
    adapterId: text('adapter_id')
      .notNull()
      .references(() => adapters.id),
    number: integer('number').notNull(),
    /** Over its files and its base: the same content is the same version. */
    digest: text('digest').notNull(),
    baseId: text('base_id')
      .notNull()
      .references(() => bases.id),
    /** adapter_config.json as it came. */
    config: jsonb('config').notNull().$type<Record<string, unknown>>(),
    card: text('card').notNull(),
    /** The branch it was committed to, which moves here once this is listed; null: `main`, which is the newest of its own. */
    branch: text('branch'),
    /** Of a version on a branch: the number of the one it was made from. On `main` that is the one before. */
    parent: integer('parent'),
    /** Only `passed` is listed; everything else is there for its publisher and for the admin alone. */
    status: text('status').notNull().default('pending').$type<VersionStatus>(),
    /** As the publish gate measured it: nats per token better than the base, and on whose rows. */
    evalGain: real('eval_gain'),
    evaluation: jsonb('evaluation').$type<EvaluationSummary | null>(),
    evaluatedOn: text('evaluated_on').$type<'publisher' | 'base' | null>(),
    rank: integer('rank').notNull(),
    parameters: long('parameters').notNull(),
    targetModules: text('target_modules').array().notNull(),
    size: long('size').notNull(),
    /** What it was trained from; null where it was brought in from elsewhere. */
    lineage: jsonb('lineage').$type<Lineage | null>(),
    /** What its runner says of the training: enough to repeat it. */
    receipt: jsonb('receipt').$type<Record<string, unknown> | null>(),
    createdBy: text('created_by')
      .notNull()
      .references(() => user.id),
    createdAt: time('created_at').notNull().default(now),
  },
  (t) => [
    primaryKey({ columns: [t.adapterId, t.number] }),
    uniqueIndex('versions_digest').on(t.adapterId, t.digest),
    /** owner/name@number: who was made from it. */
    index('versions_parent').on(sql`(lineage->>'parent')`),
  ],
);

export const REF_KINDS = ['branch', 'tag'] as const;
export type RefKind = (typeof REF_KINDS)[number];

/** Names that its publisher gave to versions of an adapter. `main` and v1, v2... are not among them: they follow from the versions. */
export const refs = pgTable(
  'refs',
  {
    adapterId: text('adapter_id').notNull(),
    kind: text('kind').notNull().$type<RefKind>(),
    name: text('name').notNull(),
    number: integer('number').notNull(),
    createdAt: time('created_at').notNull().default(now),
  },
  (t) => [
    primaryKey({ columns: [t.adapterId, t.kind, t.name] }),
    foreignKey({ columns: [t.adapterId, t.number], foreignColumns: [versions.adapterId, versions.number] }),
  ],
);

export interface GateProblem {
  readonly code: string;
  readonly detail: string;
  readonly field?: string | undefined;
}

/** What the publish gate was asked, and what it found. Kept for good: a version may be verified again. */
export const verifications = pgTable(
  'verifications',
  {
    id: text('id').primaryKey(),
    adapterId: text('adapter_id').notNull(),
    number: integer('number').notNull(),
    /** Of the gate; a version that passed older ones is verified again. */
    rules: integer('rules').notNull(),
    status: text('status').notNull().$type<'waiting' | 'running' | 'passed' | 'refused'>(),
    /** Of what is listed: nobody waits for it. */
    rerun: boolean('rerun').notNull().default(false),
    /** db/turns.ts */
    turn: integer('turn').notNull().default(0),
    createdAt: time('created_at').notNull().default(now),
    /** Since when it waits for a runner, or waited before one took it: it may have been paused, or given back. */
    waitingSince: time('waiting_since').notNull().default(now),
    finishedAt: time('finished_at'),
    /** Of the lease that it is, or was last, worked on under. */
    leaseId: text('lease_id'),
    leaseExpiresAt: time('lease_expires_at'),
    runner: text('runner'),
    /** Leases that ran out. */
    losses: integer('losses').notNull().default(0),
    problems: jsonb('problems').notNull().default([]).$type<GateProblem[]>(),
    findings: jsonb('findings').$type<Record<string, unknown> | null>(),
    /** Of the request that asked for it, as W3C writes it. */
    traceparent: text('traceparent'),
    /** Signed: a JSON Web Signature over verdict, findings and digests. */
    record: text('record'),
  },
  (t) => [
    index('verifications_version').on(t.adapterId, t.number, t.createdAt),
    index('verifications_open').on(t.rerun, t.turn, t.createdAt).where(sql`status in ('waiting', 'running')`),
    /** To ask again for what is open already is to wait for it. */
    uniqueIndex('verifications_open_once')
      .on(t.adapterId, t.number)
      .where(sql`status in ('waiting', 'running')`),
    uniqueIndex('verifications_lease').on(t.leaseId),
    foreignKey({ columns: [t.adapterId, t.number], foreignColumns: [versions.adapterId, versions.number] }),
  ],
);

export const versionFiles = pgTable(
  'version_files',
  {
    adapterId: text('adapter_id').notNull(),
    number: integer('number').notNull(),
    path: text('path').notNull(),
    sha256: text('sha256')
      .notNull()
      .references(() => blobs.sha256),
    size: long('size').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.adapterId, t.number, t.path] }),
    foreignKey({ columns: [t.adapterId, t.number], foreignColumns: [versions.adapterId, versions.number] }),
    index('version_files_sha256').on(t.sha256),
  ],
);

// --- on their way in -------------------------------------------------------------------------------------------------

export const drafts = pgTable(
  'drafts',
  {
    id: text('id').primaryKey(),
    /** `content`: one file, whose path is its sha256, that a later commit makes part of a version. */
    kind: text('kind').notNull().$type<'adapter' | 'base' | 'content'>(),
    /** owner/name of what it will become a version of. */
    target: text('target').notNull(),
    baseId: text('base_id').references(() => bases.id),
    createdBy: text('created_by')
      .notNull()
      .references(() => user.id),
    createdAt: time('created_at').notNull().default(now),
    expiresAt: time('expires_at').notNull(),
    /** What it became; kept until the draft expires, so that whoever missed the answer can ask again. */
    completed: jsonb('completed').$type<{ created: boolean; number: number | null } | null>(),
    /** Of a trained adapter: goes into its version. */
    lineage: jsonb('lineage').$type<Lineage | null>(),
    receipt: jsonb('receipt').$type<Record<string, unknown> | null>(),
  },
  (t) => [index('drafts_expiry').on(t.expiresAt)],
);

export const draftFiles = pgTable(
  'draft_files',
  {
    draftId: text('draft_id')
      .notNull()
      .references(() => drafts.id, { onDelete: 'cascade' }),
    path: text('path').notNull(),
    sha256: text('sha256').notNull(),
    size: long('size').notNull(),
    /** Null: the content is stored already and this publisher may read it. */
    upload: jsonb('upload').$type<{ key: string; uploadId: string; partSize: number } | null>(),
  },
  (t) => [primaryKey({ columns: [t.draftId, t.path] })],
);

// --- what is done regularly ------------------------------------------------------------------------------------------

/** A row for each scheduled function that ever ran. */
export const schedules = pgTable('schedules', {
  name: text('name').primaryKey(),
  nextAt: time('next_at').notNull(),
  /** Of the last tick. */
  claimId: text('claim_id').notNull(),
  leaseExpiresAt: time('lease_expires_at').notNull(),
  startedAt: time('started_at').notNull(),
  /** Of the last one that came to its end. */
  finishedAt: time('finished_at'),
  result: jsonb('result').$type<unknown>(),
  error: text('error'),
});

// --- tasks -----------------------------------------------------------------------------------------------------------

export const TASK_STATUSES = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;
export type TaskStatus = (typeof TASK_STATUSES)[number];

export interface TaskFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
  /** Where it is in the object store, and the upload that it comes by. */
  readonly key: string;
  readonly uploadId: string;
  readonly partSize: number;
}

/** Functions that somebody asked for (functions/registry.ts). */
export const tasks = pgTable(
  'tasks',
  {
    id: text('id').primaryKey(),
    function: text('function').notNull(),
    userId: text('user_id')
      .notNull()
      .references(() => user.id),
    /** What was asked, by names and numbers that stay; a runner gets URLs instead. */
    order: jsonb('order').notNull().$type<Record<string, unknown>>(),
    /** Of the request: a second one with the same key is the same task. */
    idempotencyKey: text('idempotency_key'),
    status: text('status').notNull().$type<TaskStatus>(),
    progress: jsonb('progress').$type<{ what: string; done: number; total: number } | null>(),
    result: jsonb('result').$type<unknown>(),
    error: jsonb('error').$type<{ code: string; message: string; field?: string | undefined } | null>(),
    files: jsonb('files').notNull().default([]).$type<TaskFile[]>(),
    /** Then the files are removed. */
    filesExpireAt: time('files_expire_at'),
    createdAt: time('created_at').notNull().default(now),
    /** Since when it waits for a runner, or waited before one took it: it may have been paused, or given back. */
    waitingSince: time('waiting_since').notNull().default(now),
    /** db/turns.ts */
    turn: integer('turn').notNull().default(0),
    startedAt: time('started_at'),
    finishedAt: time('finished_at'),
    /** The lease it is, or was last, worked on under. */
    leaseId: text('lease_id'),
    /** Null: nobody works on it. */
    leaseExpiresAt: time('lease_expires_at'),
    runner: text('runner'),
    /** Leases that ran out, or were given back by a runner that failed. */
    losses: integer('losses').notNull().default(0),
    /** Of the request that asked for it, as W3C writes it. */
    traceparent: text('traceparent'),
  },
  (t) => [
    index('tasks_user').on(t.userId, t.createdAt, t.id),
    index('tasks_open').on(t.turn, t.createdAt).where(sql`status in ('queued', 'running')`),
    index('tasks_files').on(t.filesExpireAt).where(sql`files <> '[]'`),
    uniqueIndex('tasks_lease').on(t.leaseId),
    uniqueIndex('tasks_idempotency').on(t.userId, t.idempotencyKey),
  ],
);

// --- what happened ---------------------------------------------------------------------------------------------------

/** Append-only. */
export const events = pgTable(
  'events',
  {
    id: bigserial('id', { mode: 'number' }).primaryKey(),
    at: time('at').notNull().default(now),
    actor: text('actor'),
    kind: text('kind').notNull(),
    subject: text('subject').notNull(),
    data: jsonb('data').notNull().$type<Record<string, unknown>>(),
  },
  (t) => [
    index('events_subject').on(t.subject, t.id),
    index('events_namespace').on(sql`split_part(subject, '/', 1)`, t.id),
    index('events_reports').on(t.id).where(sql`kind = 'adapter.reported'`),
  ],
);

/** Of these, others can be told. */
export const TOLD_KINDS = [
  'version.submitted',
  'version.listed',
  'version.refused',
  'version.quarantined',
  'version.withdrawn',
  'job.succeeded',
  'job.failed',
  'job.cancelled',
  'access.accepted',
  'access.rejected',
  'statement.closed',
] as const;

export const webhooks = pgTable(
  'webhooks',
  {
    id: text('id').primaryKey(),
    /** The namespace whose events are told. */
    owner: text('owner').notNull(),
    url: text('url').notNull(),
    /** Deliveries are signed with it. */
    secret: text('secret').notNull(),
    kinds: text('kinds').array().notNull(),
    createdBy: text('created_by')
      .notNull()
      .references(() => user.id, { onDelete: 'cascade' }),
    createdAt: time('created_at').notNull().default(now),
    /** Whoever is there said that nobody is to be told any more. */
    disabledAt: time('disabled_at'),
  },
  (t) => [index('webhooks_owner').on(t.owner)],
);

/** Made by a trigger, with the event: neither is there without the other. */
export const deliveries = pgTable(
  'deliveries',
  {
    id: text('id').primaryKey(),
    webhookId: text('webhook_id')
      .notNull()
      .references(() => webhooks.id, { onDelete: 'cascade' }),
    eventId: long('event_id')
      .notNull()
      .references(() => events.id),
    status: text('status').notNull().$type<'waiting' | 'delivered' | 'failed'>(),
    attempts: integer('attempts').notNull().default(0),
    nextAt: time('next_at').notNull().default(now),
    /** Of the last attempt. */
    answer: text('answer'),
    deliveredAt: time('delivered_at'),
  },
  (t) => [
    index('deliveries_due').on(t.nextAt).where(sql`status = 'waiting'`),
    index('deliveries_webhook').on(t.webhookId, t.eventId),
  ],
);

// --- what was used, and what it costs: money is in nanodollars ---------------------------------------------------------

export const USAGE_KINDS = ['prompt', 'completion', 'training', 'storage'] as const;
export type UsageKind = (typeof USAGE_KINDS)[number];

/** What one unit costs, from a time on: a token, or a byte for a day. Rows are added, never changed. */
export const prices = pgTable('prices', {
  id: bigserial('id', { mode: 'number' }).primaryKey(),
  /** Null: any base that has no price of its own. */
  baseId: text('base_id').references(() => bases.id),
  kind: text('kind').notNull().$type<UsageKind>(),
  perUnit: doublePrecision('per_unit').notNull(),
  /** Of what is paid, the part that goes to the adapters' owners. */
  ownersShare: doublePrecision('owners_share').notNull().default(0),
  since: time('since').notNull().default(now),
});

/** Rows are added, never changed: one for each request and kind, however often it is reported. */
export const usage = pgTable(
  'usage',
  {
    id: bigserial('id', { mode: 'number' }).primaryKey(),
    requestId: text('request_id').notNull(),
    kind: text('kind').notNull().$type<UsageKind>(),
    at: time('at').notNull(),
    /** As in 2026-11. */
    month: text('month').notNull(),
    /** Name of who pays. */
    payer: text('payer').notNull(),
    /** As it was asked for. */
    model: text('model').notNull(),
    /** Tokens, or bytes. */
    quantity: long('quantity').notNull(),
    charge: long('charge').notNull(),
  },
  (t) => [uniqueIndex('usage_request').on(t.requestId, t.kind), index('usage_payer').on(t.payer, t.month)],
);

/** What the owners of adapters get of it. */
export const earnings = pgTable(
  'earnings',
  {
    requestId: text('request_id').notNull(),
    kind: text('kind').notNull().$type<UsageKind>(),
    adapterId: text('adapter_id').notNull(),
    payee: text('payee').notNull(),
    month: text('month').notNull(),
    amount: long('amount').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.requestId, t.kind, t.adapterId] }),
    index('earnings_payee').on(t.payee, t.month),
  ],
);

/** Sums of `usage`, kept with it, for limits that are asked about with every request. */
export const spending = pgTable(
  'spending',
  {
    payer: text('payer').notNull(),
    month: text('month').notNull(),
    charge: long('charge').notNull(),
    /** The month is over, and was told to whoever takes the payment. */
    closedAt: time('closed_at'),
  },
  (t) => [primaryKey({ columns: [t.payer, t.month] }), index('spending_month').on(t.month)],
);

// --- files that users upload -----------------------------------------------------------------------------------------

/** Private to their owner. The bytes are under files/<id>; a row whose upload is under way is shown to nobody. */
export const files = pgTable(
  'files',
  {
    id: text('id').primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => user.id),
    filename: text('filename').notNull(),
    purpose: text('purpose').notNull(),
    /** Null: the upload is not over. */
    size: long('size'),
    sha256: text('sha256'),
    /** The object store's name of the upload under way. */
    uploadId: text('upload_id'),
    createdAt: time('created_at').notNull().default(now),
  },
  (t) => [index('files_user').on(t.userId, t.createdAt, t.id)],
);

export const UPLOAD_STATUSES = ['pending', 'completed', 'cancelled', 'expired'] as const;
export type UploadStatus = (typeof UPLOAD_STATUSES)[number];

/** Files that come in parts, each in a request of its own. The parts' bytes are under parts/<upload>/, until some time after it is closed. */
export const uploads = pgTable(
  'uploads',
  {
    id: text('id').primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => user.id),
    filename: text('filename').notNull(),
    purpose: text('purpose').notNull(),
    /** As declared. */
    size: long('size').notNull(),
    status: text('status').notNull().default('pending').$type<UploadStatus>(),
    /** What it became; null when completed: deleted since. */
    fileId: text('file_id').references(() => files.id, { onDelete: 'set null' }),
    /** When it expires, or was completed or cancelled. */
    closesAt: time('closes_at').notNull(),
    /** Whether the bytes of its parts are swept. */
    swept: boolean('swept').notNull().default(false),
    createdAt: time('created_at').notNull().default(now),
  },
  (t) => [index('uploads_user').on(t.userId), index('uploads_file').on(t.fileId)],
);

/** Those whose bytes are all there. */
export const uploadParts = pgTable(
  'upload_parts',
  {
    id: text('id').primaryKey(),
    uploadId: text('upload_id')
      .notNull()
      .references(() => uploads.id, { onDelete: 'cascade' }),
    size: long('size').notNull(),
    createdAt: time('created_at').notNull().default(now),
  },
  (t) => [index('upload_parts_upload').on(t.uploadId)],
);

// --- training --------------------------------------------------------------------------------------------------------

export const JOB_STATUSES = [
  'validating_files',
  'queued',
  'running',
  'paused',
  'succeeded',
  'failed',
  'cancelled',
] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

export const trainingJobs = pgTable(
  'training_jobs',
  {
    id: text('id').primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => user.id),
    /** As the user named it: a base, or the adapter to continue. */
    model: text('model').notNull(),
    baseId: text('base_id')
      .notNull()
      .references(() => bases.id),
    parentId: text('parent_id'),
    parentNumber: integer('parent_number'),
    /** owner/name that the result becomes a version of. */
    target: text('target').notNull(),
    /** Ids and digests: files may be deleted when the job is over. */
    trainingFile: text('training_file').notNull(),
    trainingSha256: text('training_sha256').notNull(),
    validationFile: text('validation_file'),
    validationSha256: text('validation_sha256'),
    hyperparameters: jsonb('hyperparameters').notNull().$type<Record<string, unknown>>(),
    /** What `auto` came to, once the data was read. */
    decided: jsonb('decided').$type<Record<string, number> | null>(),
    seed: integer('seed').notNull(),
    metadata: jsonb('metadata').notNull().$type<Record<string, string>>(),
    status: text('status').notNull().$type<JobStatus>(),
    /** Asked for while a runner is at work, which then stops at a checkpoint. */
    pausing: boolean('pausing').notNull().default(false),
    createdAt: time('created_at').notNull().default(now),
    /** Since when it waits for a runner, or waited before one took it: it may have been paused, or given back. */
    waitingSince: time('waiting_since').notNull().default(now),
    /** db/turns.ts */
    turn: integer('turn').notNull().default(0),
    finishedAt: time('finished_at'),
    estimatedFinish: time('estimated_finish'),
    trainedTokens: long('trained_tokens'),
    /** Of these, what is in the books. */
    meteredTokens: long('metered_tokens').notNull().default(0),
    error: jsonb('error').$type<{ code: string; message: string; param: string | null } | null>(),
    fineTunedModel: text('fine_tuned_model'),
    /** What the result is published through. */
    draftId: text('draft_id'),
    /** The version that the result became, while the publish gate looks at it. */
    submitted: integer('submitted'),
    /** The lease it is, or was last, worked on under. */
    leaseId: text('lease_id'),
    /** Null: nobody works on it. */
    leaseExpiresAt: time('lease_expires_at'),
    /** Leases lost in a row without a new checkpoint. */
    losses: integer('losses').notNull().default(0),
    /** Of the request that made it, as W3C writes it. */
    traceparent: text('traceparent'),
  },
  (t) => [
    index('training_jobs_user').on(t.userId, t.createdAt, t.id),
    index('training_jobs_lease').on(t.leaseExpiresAt),
    index('training_jobs_open').on(t.turn).where(sql`status in ('validating_files', 'queued', 'running')`),
    uniqueIndex('training_jobs_lease_id').on(t.leaseId),
  ],
);

/** Append-only. */
export const trainingEvents = pgTable(
  'training_events',
  {
    id: bigserial('id', { mode: 'number' }).primaryKey(),
    jobId: text('job_id')
      .notNull()
      .references(() => trainingJobs.id),
    /** Of the runner that reported it; null: the API's own. */
    leaseId: text('lease_id'),
    sequence: integer('sequence'),
    type: text('type').notNull().$type<'message' | 'metrics'>(),
    /** Of metrics. */
    step: integer('step'),
    level: text('level').notNull().$type<'info' | 'warn' | 'error'>(),
    message: text('message').notNull(),
    data: jsonb('data').notNull().$type<Record<string, unknown>>(),
    createdAt: time('created_at').notNull().default(now),
  },
  (t) => [
    index('training_events_job').on(t.jobId, t.id),
    uniqueIndex('training_events_sequence').on(t.jobId, t.leaseId, t.sequence),
    uniqueIndex('training_events_step').on(t.jobId, t.step),
  ],
);

export interface CheckpointFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
  /** Where it is in the object store. */
  readonly key: string;
}

export const trainingCheckpoints = pgTable(
  'training_checkpoints',
  {
    id: text('id').primaryKey(),
    jobId: text('job_id')
      .notNull()
      .references(() => trainingJobs.id),
    step: integer('step').notNull(),
    /** The lease that declared it: another one declares anew, under keys of its own. */
    leaseId: text('lease_id').notNull(),
    files: jsonb('files').notNull().$type<CheckpointFile[]>(),
    /** Null: declared, not there yet. */
    metrics: jsonb('metrics').$type<Record<string, number | null> | null>(),
    createdAt: time('created_at').notNull().default(now),
  },
  (t) => [
    uniqueIndex('training_checkpoints_declared').on(t.jobId, t.step, t.leaseId),
    uniqueIndex('training_checkpoints_kept').on(t.jobId, t.step).where(sql`metrics is not null`),
    /** What a job can go on from: its state, which is most of a checkpoint (functions/train.ts). */
    index('training_checkpoints_state')
      .on(t.jobId, t.step)
      .where(sql`files @> '[{"path": "job.safetensors"}]'`),
  ],
);

// --- the fleet -------------------------------------------------------------------------------------------------------

/** What a runner last said of itself, by where it is. Times are the database's: several APIs with several clocks read them. */
export const runners = pgTable(
  'runners',
  {
    url: text('url').primaryKey(),
    /** RunnerHealth of functions/generate.ts. */
    health: jsonb('health').notNull().$type<object>(),
    heardAt: time('heard_at').notNull().default(now),
  },
  (t) => [index('runners_heard').on(t.heardAt)],
);

/** How much a base is asked for, and how many runners it should have. */
export const baseDemand = pgTable('base_demand', {
  baseId: text('base_id')
    .primaryKey()
    .references(() => bases.id),
  /** Answers asked for, ever. */
  arrivals: long('arrivals').notNull().default(0),
  askedAt: time('asked_at').notNull().default(now),
  /** As the last tick decided: who asks is told by what has happened since, too (functions/desired.ts). */
  desired: integer('desired').notNull().default(0),
  /** What the next decision needs to know of the last one (functions/scale.ts). */
  state: jsonb('state').$type<Record<string, number> | null>(),
});

// --- limits ----------------------------------------------------------------------------------------------------------

/**
 * Token buckets of whoever asks, by the time at which each is full again: what is full has no row. Unlogged (see the migration): what
 * a crash of the database takes is five minutes' counting. Times are the database's.
 */
export const rateBuckets = pgTable(
  'rate_buckets',
  {
    bucket: text('bucket').notNull(),
    /** A key's id, or an address. */
    who: text('who').notNull(),
    /** In microseconds: a token is a few milliseconds. */
    fullAt: timestamp('full_at', { withTimezone: true }).notNull(),
    /** What the last draw got. */
    granted: integer('granted').notNull(),
  },
  (t) => [primaryKey({ columns: [t.bucket, t.who] }), index('rate_buckets_full').on(t.fullAt)],
);
