/** The runner's settings, read from the environment once. */
import { availableParallelism } from 'node:os';
import { z } from 'zod';

const GIB = 2 ** 30;
const bytes = z.coerce.number().int().positive();

const Environment = z.object({
  PATCHBAY_RUNNER_HOST: z.string().default('127.0.0.1'),
  /** 0: any free port. */
  PATCHBAY_RUNNER_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
  /** What the API must send as bearer token. */
  PATCHBAY_RUNNER_TOKEN: z.string().min(16),
  /** Folder for downloaded bases and adapters; may be deleted when the runner is down. */
  PATCHBAY_RUNNER_CACHE: z.string().min(1),
  PATCHBAY_RUNNER_THREADS: z.coerce.number().int().min(1).default(availableParallelism()),
  /** Answers decoded together. */
  PATCHBAY_RUNNER_MAX_BATCH: z.coerce.number().int().min(1).max(256).default(16),
  /** Answers that wait for a place; beyond that requests are answered with 429. */
  PATCHBAY_RUNNER_MAX_WAITING: z.coerce.number().int().min(0).default(64),
  PATCHBAY_RUNNER_KV_BYTES: bytes.default(2 * GIB),
  PATCHBAY_RUNNER_ADAPTER_BYTES: bytes.default(GIB),
  PATCHBAY_RUNNER_DISK_BYTES: bytes.default(20 * GIB),
});

export interface RunnerConfig {
  readonly host: string;
  readonly port: number;
  readonly token: string;
  readonly cacheFolder: string;
  readonly threads: number;
  readonly maxRows: number;
  readonly maxWaiting: number;
  readonly kvBytes: number;
  readonly adapterBytes: number;
  readonly diskBytes: number;
}

/** @throws Error naming the variable that is wrong */
export function readConfig(environment: Record<string, string | undefined>): RunnerConfig {
  const checked = Environment.safeParse(environment);
  if (!checked.success) {
    const issue = checked.error.issues[0]!;
    throw new Error(`${issue.path.join('.')}: ${issue.message}`);
  }
  const e = checked.data;
  return {
    host: e.PATCHBAY_RUNNER_HOST,
    port: e.PATCHBAY_RUNNER_PORT,
    token: e.PATCHBAY_RUNNER_TOKEN,
    cacheFolder: e.PATCHBAY_RUNNER_CACHE,
    threads: e.PATCHBAY_RUNNER_THREADS,
    maxRows: e.PATCHBAY_RUNNER_MAX_BATCH,
    maxWaiting: e.PATCHBAY_RUNNER_MAX_WAITING,
    kvBytes: e.PATCHBAY_RUNNER_KV_BYTES,
    adapterBytes: e.PATCHBAY_RUNNER_ADAPTER_BYTES,
    diskBytes: e.PATCHBAY_RUNNER_DISK_BYTES,
  };
}
