/** The settings of runners, read from the environment once. */
import { availableParallelism, hostname, networkInterfaces, totalmem } from 'node:os';
import { z } from 'zod';
import { RunnerUrl } from '../functions/fleet.ts';
import { LEASED, leasedBy } from './leased-functions.ts';
import { Provider } from './provider.ts';
import { trainingBytes } from './train/memory.ts';

const GIB = 2 ** 30;
/** Of the machine's memory, what the weights of bases may take: caches and adapters need some, too. */
const BASE_SHARE = 0.6;
const bytes = z.coerce.number().int().positive();

const leasedFunctions = z
  .string()
  .transform((list) => list.split(','))
  .pipe(z.array(z.enum(LEASED.map(({ name }) => name))).min(1));

/** What a runner has that answers requests, and one that trains. */
const Shared = z.object({
  /** What one of API and runner shows the other as bearer token. */
  PATCHBAY_RUNNER_TOKEN: z.string().min(16),
  /** Accepted from the API as well, while the token is being changed. */
  PATCHBAY_RUNNER_TOKEN_ALSO: z.string().min(16).optional(),
  /** Opens /metrics, and nothing else. */
  PATCHBAY_METRICS_TOKEN: z.string().min(16).optional(),
  /** Folder for downloaded bases and adapters; may be deleted when the runner is down. */
  PATCHBAY_RUNNER_CACHE: z.string().min(1),
  PATCHBAY_RUNNER_THREADS: z.coerce.number().int().min(1).default(availableParallelism()),
  PATCHBAY_RUNNER_DISK_BYTES: bytes.default(20 * GIB),
  PATCHBAY_RUNNER_PROVIDER: Provider,
  PATCHBAY_RUNNER_HOST: z.string().default('127.0.0.1'),
  /** 0: any free port. */
  PATCHBAY_RUNNER_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
});

const Serving = Shared.extend({
  /** Answers decoded together. */
  PATCHBAY_RUNNER_MAX_BATCH: z.coerce.number().int().min(1).max(256).default(16),
  /** Answers that wait for a place; beyond that requests are answered with 429. */
  PATCHBAY_RUNNER_MAX_WAITING: z.coerce.number().int().min(0).default(64),
  /** Keys and values of what runs, and the slabs of its adapters where they are not the same. */
  PATCHBAY_RUNNER_KV_BYTES: bytes.default(2 * GIB),
  /** Adapters that are kept for the next one who asks; those of answers that run or wait stay in memory beyond it. */
  PATCHBAY_RUNNER_ADAPTER_BYTES: bytes.default(GIB),
  /** Weights of bases in memory; the base that was asked for longest ago makes room for another one. */
  PATCHBAY_RUNNER_BASE_BYTES: bytes.default(Math.floor(BASE_SHARE * machineMemory())),
  /** Where to report to. Absent: whoever uses this runner knows of it. */
  PATCHBAY_API_URL: z.url().optional(),
  /** Where the API reaches this runner, where that is not the address it listens at. */
  PATCHBAY_RUNNER_PUBLIC_URL: RunnerUrl.optional(),
});

const Training = Shared.extend({
  PATCHBAY_API_URL: z.url(),
  /** Of the functions that are leased (functions/on-runners.ts), those that this runner does; absent: all. */
  PATCHBAY_RUNNER_FUNCTIONS: leasedFunctions.optional(),
  /** How the runner is named in events and in the API's log. */
  PATCHBAY_RUNNER_NAME: z.string().min(1).max(128).default(hostname()),
  /** Jobs worked on at the same time; those on the same base share passes. */
  PATCHBAY_TRAIN_JOBS: z.coerce.number().int().min(1).max(64).default(8),
  /** Tokens of a pass: more keep a GPU busy, and need more memory. Part of what a job's bits depend on. */
  PATCHBAY_TRAIN_TOKENS: z.coerce.number().int().min(16).default(512),
  /** Most that training may take; a job that needs more is refused. Absent: what the other functions leave. */
  PATCHBAY_TRAIN_BYTES: bytes.optional(),
});

export interface RunnerConfig {
  readonly host: string;
  readonly port: number;
  readonly token: string;
  /** What opens this runner: its token, and another one while it is being changed. */
  readonly accepted: readonly string[];
  readonly metricsToken: string | undefined;
  readonly cacheFolder: string;
  readonly provider: Provider;
  readonly threads: number;
  readonly maxRows: number;
  readonly maxWaiting: number;
  readonly kvBytes: number;
  readonly adapterBytes: number;
  readonly baseBytes: number;
  readonly diskBytes: number;
  readonly apiUrl: string | undefined;
  readonly publicUrl: string | undefined;
}

export interface TrainRunnerConfig {
  readonly apiUrl: string;
  /** Where it answers probes; nobody asks it for anything else. */
  readonly host: string;
  readonly port: number;
  readonly token: string;
  /** What opens this runner: its token, and another one while it is being changed. */
  readonly accepted: readonly string[];
  readonly metricsToken: string | undefined;
  readonly name: string;
  readonly cacheFolder: string;
  readonly provider: Provider;
  readonly threads: number;
  readonly diskBytes: number;
  /** Names of functions; undefined: all that are leased. */
  readonly functions: readonly string[] | undefined;
  readonly maxJobs: number;
  readonly maxTokens: number;
  readonly maxBytes: number;
}

type Variables = Record<string, string | undefined>;

/** @throws Error naming the variable that is wrong */
export function readConfig(environment: Variables): RunnerConfig {
  const e = parsed(Serving, environment);
  return {
    host: e.PATCHBAY_RUNNER_HOST,
    port: e.PATCHBAY_RUNNER_PORT,
    ...accessOf(e),
    cacheFolder: e.PATCHBAY_RUNNER_CACHE,
    provider: e.PATCHBAY_RUNNER_PROVIDER,
    threads: e.PATCHBAY_RUNNER_THREADS,
    maxRows: e.PATCHBAY_RUNNER_MAX_BATCH,
    maxWaiting: e.PATCHBAY_RUNNER_MAX_WAITING,
    kvBytes: e.PATCHBAY_RUNNER_KV_BYTES,
    adapterBytes: e.PATCHBAY_RUNNER_ADAPTER_BYTES,
    baseBytes: e.PATCHBAY_RUNNER_BASE_BYTES,
    diskBytes: e.PATCHBAY_RUNNER_DISK_BYTES,
    apiUrl: e.PATCHBAY_API_URL?.replace(/\/$/, ''),
    publicUrl: e.PATCHBAY_RUNNER_PUBLIC_URL,
  };
}

/** @throws Error naming the variable that is wrong */
export function readTrainConfig(environment: Variables): TrainRunnerConfig {
  const e = parsed(Training, environment);
  return {
    apiUrl: e.PATCHBAY_API_URL.replace(/\/$/, ''),
    host: e.PATCHBAY_RUNNER_HOST,
    port: e.PATCHBAY_RUNNER_PORT,
    ...accessOf(e),
    name: e.PATCHBAY_RUNNER_NAME,
    cacheFolder: e.PATCHBAY_RUNNER_CACHE,
    provider: e.PATCHBAY_RUNNER_PROVIDER,
    threads: e.PATCHBAY_RUNNER_THREADS,
    diskBytes: e.PATCHBAY_RUNNER_DISK_BYTES,
    functions: e.PATCHBAY_RUNNER_FUNCTIONS,
    maxJobs: e.PATCHBAY_TRAIN_JOBS,
    maxTokens: e.PATCHBAY_TRAIN_TOKENS,
    maxBytes:
      e.PATCHBAY_TRAIN_BYTES ??
      trainingBytes(leasedBy({ functions: e.PATCHBAY_RUNNER_FUNCTIONS }), machineMemory()),
  };
}

function accessOf(e: z.infer<typeof Shared>) {
  const token = e.PATCHBAY_RUNNER_TOKEN;
  const also = e.PATCHBAY_RUNNER_TOKEN_ALSO;
  return { token, accepted: also ? [token, also] : [token], metricsToken: e.PATCHBAY_METRICS_TOKEN };
}

function parsed<T>(schema: z.ZodType<T>, environment: Variables): T {
  const checked = schema.safeParse(environment);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0]!;
  throw new Error(`${issue.path.join('.')}: ${issue.message}`);
}

/** The container's limit where there is one. */
function machineMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 && limit < totalmem() ? limit : totalmem();
}

/** What others reach a runner at that listens at `host`: where that is every address, the machine's first one. */
export function reachableAt(host: string, port: number): string {
  const isWildcard = host === '0.0.0.0' || host === '::';
  const outside = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ internal, family }) => !internal && family === 'IPv4')?.address;
  const name = isWildcard ? (outside ?? '127.0.0.1') : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}
