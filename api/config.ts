/** The server's settings, read once: from the environment of a process, or the bindings of an edge worker. */
import { z } from 'zod';
import { RunnerUrl } from '../functions/fleet.ts';

const optional = z.string().min(1).optional();
const token = z.string().min(16, 'must have at least 16 characters').optional();

const Environment = z
  .object({
    PORT: z.coerce.number().int().min(0).max(65_535).default(8787),
    HOST: z.string().min(1).default('127.0.0.1'),
    PATCHBAY_DATA: z.string().min(1).default('data'),
    /** What clients reach the server at, where that is not http://HOST:PORT. */
    PATCHBAY_PUBLIC_URL: z.url().optional(),
    DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/, error: 'must be a postgres:// URL' }).optional(),
    S3_ENDPOINT: z.url().optional(),
    S3_REGION: z.string().min(1).default('us-east-1'),
    S3_BUCKET: z.string().min(3).default('patchbay'),
    S3_ACCESS_KEY_ID: optional,
    S3_SECRET_ACCESS_KEY: optional,
    PATCHBAY_RUNNERS: z.enum(['reporting']).optional(),
    PATCHBAY_RUNNER_URL: z
      .string()
      .transform((list) => list.split(',').filter(Boolean))
      .pipe(z.array(RunnerUrl))
      .optional(),
    PATCHBAY_RUNNER_TOKEN: token,
    /** Accepted from runners as well, while their token is being changed. */
    PATCHBAY_RUNNER_TOKEN_ALSO: token,
    /** Opens /metrics, and nothing else. */
    PATCHBAY_METRICS_TOKEN: token,
    PATCHBAY_OIDC_ISSUERS: z
      .string()
      .default('https://token.actions.githubusercontent.com,https://gitlab.com')
      .transform((list) => list.split(',').filter(Boolean))
      .pipe(z.array(z.url({ protocol: /^https?$/, error: 'must be URLs, separated by commas' }))),
    PATCHBAY_UPSTREAM: z.url().default('https://huggingface.co'),
    PATCHBAY_UPSTREAM_BASES: z
      .string()
      .default('')
      .transform((list) => list.split(',').filter(Boolean))
      .pipe(z.array(z.string().regex(/^[\w.-]+\/[\w.-]+$/, 'must be owner/name, separated by commas'))),
    PATCHBAY_STORAGE_QUOTA: z.coerce.number().int().positive().optional(),
    PATCHBAY_LIMIT_FACTOR: z.coerce.number().positive().default(1),
    PATCHBAY_TRUST_PROXY: z.enum(['yes', 'no']).default('no'),
    PATCHBAY_WEBHOOKS_ANYWHERE: z.enum(['yes', 'no']).default('no'),
    PATCHBAY_SIGN_UP: z.enum(['open', 'closed']).optional(),
    GITHUB_CLIENT_ID: optional,
    GITHUB_CLIENT_SECRET: optional,
    PATCHBAY_AUTH_SECRET: z.string().min(32, 'must have at least 32 characters').optional(),
    PATCHBAY_SIGNING_KEY: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits, as from `openssl rand -hex 32`')
      .optional(),
    /** Public halves (`x` in /.well-known/jwks.json) of keys that records were signed with before. */
    PATCHBAY_FORMER_SIGNING_KEYS: z
      .string()
      .default('')
      .transform((list) => list.split(',').filter(Boolean))
      .pipe(z.array(z.string().regex(/^[\w-]{43}$/, 'must be values of `x`, separated by commas'))),
    LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  })
  .refine((e) => !e.S3_ACCESS_KEY_ID === !e.S3_SECRET_ACCESS_KEY, {
    path: ['S3_ACCESS_KEY_ID'],
    message:
      'needs S3_SECRET_ACCESS_KEY, and the other way round; without both, the rights of the machine count',
  })
  .refine((e) => !e.GITHUB_CLIENT_ID === !e.GITHUB_CLIENT_SECRET, {
    path: ['GITHUB_CLIENT_ID'],
    message: 'needs GITHUB_CLIENT_SECRET, and the other way round',
  })
  .refine((e) => !e.PATCHBAY_RUNNER_URL || e.PATCHBAY_RUNNER_TOKEN, {
    path: ['PATCHBAY_RUNNER_URL'],
    message: 'needs PATCHBAY_RUNNER_TOKEN, the same as the runner has',
  })
  .refine((e) => !e.PATCHBAY_RUNNERS || e.PATCHBAY_RUNNER_TOKEN, {
    path: ['PATCHBAY_RUNNERS'],
    message: 'needs PATCHBAY_RUNNER_TOKEN, the same as the runners have',
  });

/** By the names that they have in the environment. */
export const SETTINGS: readonly string[] = Object.keys(Environment.shape);

export interface Config {
  readonly port: number;
  readonly host: string;
  readonly dataFolder: string;
  readonly publicUrl: string | undefined;
  /** Absent: PGlite in the data folder. */
  readonly databaseUrl: string | undefined;
  readonly s3: {
    /** Absent: an S3 server over the data folder. */
    readonly endpoint: string | undefined;
    readonly region: string;
    readonly bucket: string;
    readonly accessKeyId: string | undefined;
    readonly secretAccessKey: string | undefined;
  };
  /** Runners elsewhere: at these addresses, and all that report. Absent: a child process. */
  readonly runner: { readonly urls: readonly string[]; readonly token: string } | undefined;
  readonly otherRunnerToken: string | undefined;
  /** Absent: only keys of admins open /metrics. */
  readonly metricsToken: string | undefined;
  /** What sessions are signed with. Absent: a secret of the data folder. */
  readonly authSecret: string | undefined;
  /** What verification records are signed with. Absent: a key of the data folder. */
  readonly signingKey: string | undefined;
  /** Public keys that older records are still checked with. */
  readonly formerSigningKeys: readonly string[];
  /** The hub that bases are read through from which are not here. */
  readonly upstream: { readonly url: string; readonly bases: readonly string[] };
  /** Bytes that may be stored under one name; undefined: no limit. */
  readonly storageQuota: number | undefined;
  /** Whether webhooks may lead into our own network. */
  readonly webhooksAnywhere: boolean;
  /** Of all limits of requests. */
  readonly limitFactor: number;
  /** Whether there is a proxy in front, which says in X-Forwarded-For who asks. */
  readonly trustProxy: boolean;
  /** Whether anybody may make an account; else the admin makes them. Unless said, where nobody else can reach the server. */
  readonly signUp: boolean;
  readonly github: { readonly clientId: string; readonly clientSecret: string } | undefined;
  /** Whose tokens trusted publishing takes. */
  readonly oidcIssuers: readonly string[];
  readonly logLevel: string;
}

const isLoopback = (host: string): boolean => ['127.0.0.1', '::1', 'localhost'].includes(host);

/** @throws Error naming the variable that is wrong */
export function readConfig(environment: Record<string, string | undefined>): Config {
  const checked = Environment.safeParse(environment);
  if (!checked.success) {
    const issue = checked.error.issues[0]!;
    throw new Error(`${issue.path.join('.')} ${issue.message}`);
  }
  const e = checked.data;
  return {
    port: e.PORT,
    host: e.HOST,
    dataFolder: e.PATCHBAY_DATA,
    publicUrl: e.PATCHBAY_PUBLIC_URL,
    databaseUrl: e.DATABASE_URL,
    s3: {
      endpoint: e.S3_ENDPOINT,
      region: e.S3_REGION,
      bucket: e.S3_BUCKET,
      accessKeyId: e.S3_ACCESS_KEY_ID,
      secretAccessKey: e.S3_SECRET_ACCESS_KEY,
    },
    runner:
      e.PATCHBAY_RUNNER_URL || e.PATCHBAY_RUNNERS
        ? { urls: e.PATCHBAY_RUNNER_URL ?? [], token: e.PATCHBAY_RUNNER_TOKEN! }
        : undefined,
    otherRunnerToken: e.PATCHBAY_RUNNER_TOKEN_ALSO,
    metricsToken: e.PATCHBAY_METRICS_TOKEN,
    authSecret: e.PATCHBAY_AUTH_SECRET,
    signingKey: e.PATCHBAY_SIGNING_KEY,
    formerSigningKeys: e.PATCHBAY_FORMER_SIGNING_KEYS,
    upstream: { url: e.PATCHBAY_UPSTREAM, bases: e.PATCHBAY_UPSTREAM_BASES },
    storageQuota: e.PATCHBAY_STORAGE_QUOTA,
    webhooksAnywhere: e.PATCHBAY_WEBHOOKS_ANYWHERE === 'yes',
    limitFactor: e.PATCHBAY_LIMIT_FACTOR,
    trustProxy: e.PATCHBAY_TRUST_PROXY === 'yes',
    signUp: e.PATCHBAY_SIGN_UP === undefined ? isLoopback(e.HOST) : e.PATCHBAY_SIGN_UP === 'open',
    github:
      e.GITHUB_CLIENT_ID && e.GITHUB_CLIENT_SECRET
        ? { clientId: e.GITHUB_CLIENT_ID, clientSecret: e.GITHUB_CLIENT_SECRET }
        : undefined,
    oidcIssuers: e.PATCHBAY_OIDC_ISSUERS,
    logLevel: e.LOG_LEVEL,
  };
}
