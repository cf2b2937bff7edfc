/**
 * What the API and a training runner say to each other. A runner pulls: it asks `POST {api}/api/runner/leases` for a job,
 * with the runner token as bearer, and works on it under a lease that it renews by heartbeats. Files travel by presigned
 * URLs, so a runner holds no credentials and knows no database.
 *
 *   POST leases                          LeaseRequest       -> 204 nothing to do | TrainLease
 *   POST leases/{id}/heartbeat           Heartbeat          -> HeartbeatAnswer
 *   POST leases/{id}/validated           Validated          -> 204   the job is `running` from here on
 *   POST leases/{id}/events              EventBatch         -> HeartbeatAnswer
 *   POST leases/{id}/checkpoints         DeclaredCheckpoint -> UploadUrls
 *   POST leases/{id}/checkpoints/{step}  KeptCheckpoint     -> 204   what was declared has arrived
 *   POST leases/{id}/result              DeclaredResult     -> ResultUploads
 *   POST leases/{id}/result/complete     -                  -> ResultAnswer
 *   POST leases/{id}/failed              JobFailure         -> 204
 *   POST leases/{id}/release             TrainRelease       -> 204   paused, or given back to the queue
 *
 * A lease ends when the job does, when it is released, or when no heartbeat came for LEASE_SECONDS; then the job goes to
 * another runner. Every call under a lease that has ended is answered 409 `lease_over` and changes nothing. Calls under a living lease
 * may be repeated: events are known by their sequence, checkpoints by their step, results by their content.
 */
import { z } from 'zod';
import { defineFunction } from './definition.ts';
import { AdapterSource, BaseSource, FileSource } from './generate.ts';

/** The code of the answer to whoever had it. */
export const LEASE_OVER = 'lease_over';
/** A lease that was not renewed for so long is over. */
export const LEASE_SECONDS = 60;
/** How often a runner shall renew. */
export const HEARTBEAT_SECONDS = 15;

const auto = z.literal('auto');
const rank = z.int().min(1).max(512);
const alpha = z.number().gt(0).max(4096);
/** Names of linears, presets (`all-linear`, `attention`, `mlp`, `q`, `v`...) or full paths; the base decides what they match. */
const moduleName = z.string().min(1).max(200);

/**
 * OpenAI's three come first and mean what they mean there; the others are Patchbay's, by their names in PEFT and
 * transformers. Absent is `auto`. A key that is not known is refused: a misspelt one would silently change nothing.
 * docs/training.md has the defaults.
 */
export const Hyperparameters = z.strictObject({
  n_epochs: z
    .union([auto, z.int().min(1).max(50)], 'must be "auto" or a whole number from 1 to 50')
    .optional(),
  batch_size: z
    .union([auto, z.int().min(1).max(256)], 'must be "auto" or a whole number from 1 to 256')
    .optional(),
  learning_rate_multiplier: z
    .union([auto, z.number().gt(0).max(100)], 'must be "auto" or a number above 0, at most 100')
    .optional(),
  learning_rate: z
    .union([auto, z.number().gt(0).max(1)], 'must be "auto" or a number above 0, at most 1')
    .optional()
    .describe('At its peak, before the multiplier'),
  lr_scheduler_type: z.enum(['constant', 'linear', 'cosine']).optional(),
  warmup_ratio: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('Share of the steps over which the rate rises from 0'),
  weight_decay: z.number().min(0).max(1).optional(),
  max_grad_norm: z.number().gt(0).max(1000).optional(),
  r: z.union([auto, rank], 'must be "auto" or a whole number from 1 to 512').optional().describe('Rank'),
  lora_alpha: z
    .union([auto, alpha], 'must be "auto" or a number above 0, at most 4096')
    .optional()
    .describe('What the adapter adds is scaled by lora_alpha / r'),
  target_modules: z
    .union([moduleName.transform((one) => [one]), z.array(moduleName).min(1).max(1000)])
    .optional()
    .describe('`all-linear`, `attention`, `mlp`, `q`, `v`, names such as `q_proj`, or full paths'),
  rank_pattern: z.record(z.string().min(1).max(200), rank).optional().describe('Ranks of single modules'),
  alpha_pattern: z.record(z.string().min(1).max(200), alpha).optional().describe('Alphas of single modules'),
  use_rslora: z.boolean().optional().describe('Scales by the root of the rank instead'),
  use_dora: z.boolean().optional().describe('Trains magnitudes, too'),
  loraplus_lr_ratio: z
    .number()
    .min(1)
    .max(64)
    .optional()
    .describe('LoRA+: the learning rate of B over that of A'),
  max_length: z
    .int()
    .min(8)
    .max(131_072)
    .optional()
    .describe("Tokens; longer examples are cut. Absent: the base's context, 2048 at most"),
  packing: z.boolean().optional().describe('Several examples in a row, blind to each other'),
  gradient_checkpointing: z.boolean().optional().describe('Half the memory, a third more time'),
  validation_split: z
    .number()
    .gt(0)
    .max(0.5)
    .optional()
    .describe('Without a validation file, this share of the rows is kept out of training'),
  eval_steps: z.int().min(1).max(100_000).optional().describe('Steps between evaluations'),
  save_steps: z.int().min(1).max(100_000).optional().describe('Steps between checkpoints'),
  early_stopping_patience: z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .describe('Evaluations without improvement after which training ends with the best checkpoint'),
  sample_prompts: z
    .array(z.string().min(1).max(4096))
    .max(8)
    .optional()
    .describe('Answered at every evaluation, so that one can see it learn'),
});
export type Hyperparameters = z.infer<typeof Hyperparameters>;

/** Of the three that OpenAI has, as they were decided once the data was read. */
export const DecidedHyperparameters = z.object({
  n_epochs: z.int(),
  batch_size: z.int(),
  learning_rate_multiplier: z.number(),
});

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be a lower-case hexadecimal sha256');
const fileName = z
  .string()
  .regex(/^[A-Za-z0-9][\w.-]{0,254}$/, 'must be a file name of letters, digits, `.`, `_` and `-`');
const step = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);
const metric = z.number().nullable();

export const LeaseRequest = z.object({
  /** What the runner calls itself; appears in the log and in events. */
  runner: z.string().min(1).max(128),
});
export type LeaseRequest = z.infer<typeof LeaseRequest>;

/** All that the bytes of an adapter depend on, but for the engine. */
export const Training = z.object({
  base: BaseSource,
  /** The adapter that training continues from; absent: a new one. */
  parent: AdapterSource.optional(),
  trainingFile: FileSource,
  validationFile: FileSource.optional(),
  /** As the user gave them. */
  hyperparameters: Hyperparameters,
  seed: z
    .int()
    .min(0)
    .max(2 ** 31 - 1),
});
export type Training = z.infer<typeof Training>;

export const TrainLease = Training.extend({
  /** Of the request that made the job: https://www.w3.org/TR/trace-context/ */
  traceparent: z.string().max(64).optional(),
  leaseId: z.uuid(),
  jobId: z.string(),
  /** The last one that was kept: continue from there. */
  checkpoint: z.object({ step, files: z.array(FileSource).min(1) }).optional(),
  /** Set once the job was validated by an earlier lease: validating again would tell nothing new. */
  validated: z.boolean(),
  heartbeatSeconds: z.number().positive(),
});
export type TrainLease = z.infer<typeof TrainLease>;

/** Where the job is now; all of it is for show. */
export const Heartbeat = z.object({
  step: step.optional(),
  trainedTokens: z.int().min(0).optional(),
  estimatedFinish: z.iso.datetime().optional(),
});
export type Heartbeat = z.infer<typeof Heartbeat>;

/** `pause`: keep a checkpoint, then release. `cancel`: stop, nothing more is taken. */
export const HeartbeatAnswer = z.object({ action: z.enum(['continue', 'pause', 'cancel']) });
export type HeartbeatAnswer = z.infer<typeof HeartbeatAnswer>;

export const Validated = z.object({
  decided: DecidedHyperparameters,
  totalSteps: step,
  estimatedFinish: z.iso.datetime().optional(),
});
export type Validated = z.infer<typeof Validated>;

const eventBase = {
  /** Counts from 0 within a lease. */
  sequence: z.int().min(0),
  level: z.enum(['info', 'warn', 'error']).default('info'),
  message: z.string().min(1).max(4096),
};
export const TrainEvent = z.discriminatedUnion('type', [
  z.object({ ...eventBase, type: z.literal('message'), data: z.record(z.string(), z.unknown()).default({}) }),
  /** One per step: a job that goes back to a checkpoint repeats its steps, and its curve keeps the first of each. */
  z.object({ ...eventBase, type: z.literal('metrics'), step, data: z.record(z.string(), z.unknown()) }),
]);
export type TrainEvent = z.infer<typeof TrainEvent>;
export const EventBatch = z.object({ events: z.array(TrainEvent).min(1).max(500) });
export type EventBatch = z.infer<typeof EventBatch>;

export const DeclaredFile = z.object({ path: fileName, size: z.int().positive(), sha256 });
/** Of a checkpoint, what a job goes on from; the others are an adapter. */
export const JOB_FILE = 'job.safetensors';
export const BEST_FILE = 'best.safetensors';
export const PROGRESS_FILE = 'progress.json';
export const STATE_FILES: readonly string[] = [JOB_FILE, BEST_FILE, PROGRESS_FILE];
export const DeclaredCheckpoint = z.object({ step, files: z.array(DeclaredFile).min(1).max(16) });
export type DeclaredCheckpoint = z.infer<typeof DeclaredCheckpoint>;

/** One PUT each. */
export const UploadUrls = z.object({ files: z.array(z.object({ path: fileName, url: z.url() })) });
export type UploadUrls = z.infer<typeof UploadUrls>;

/** OpenAI's metrics, by its names; null where there is no such figure. */
export const KeptCheckpoint = z.object({
  /** Since the job's first step: what is kept is paid for. */
  trainedTokens: z.int().min(0).default(0),
  train_loss: metric,
  train_mean_token_accuracy: metric,
  valid_loss: metric.default(null),
  valid_mean_token_accuracy: metric.default(null),
  full_valid_loss: metric.default(null),
  full_valid_mean_token_accuracy: metric.default(null),
});
export type KeptCheckpoint = z.infer<typeof KeptCheckpoint>;

/** What a version says of how it was made: enough to make it again. */
export const Receipt = z.record(z.string(), z.unknown());

export const DeclaredResult = z.object({
  /** adapter_config.json, adapter_model.safetensors, and README.md if there is a card. */
  files: z.array(DeclaredFile).min(2).max(5),
  receipt: Receipt,
  trainedTokens: z.int().min(0),
});
export type DeclaredResult = z.infer<typeof DeclaredResult>;

/** Files without parts are there already. Parts are the slices of `partSize` bytes, in their order; one PUT each. */
export const ResultUploads = z.object({
  files: z.array(
    z.object({
      path: fileName,
      partSize: z.int().positive().optional(),
      parts: z
        .array(z.object({ number: z.int(), size: z.int(), done: z.boolean(), url: z.url().optional() }))
        .optional(),
    }),
  ),
});
export type ResultUploads = z.infer<typeof ResultUploads>;

export const ResultAnswer = z.object({ model: z.string() });
export type ResultAnswer = z.infer<typeof ResultAnswer>;

/** As OpenAI shows it in a job: `param` names the field at fault, such as `training_file`. */
export const JobFailure = z.object({
  code: z.string().min(1).max(64),
  message: z.string().min(1).max(8192),
  param: z.string().max(200).nullable().default(null),
});
export type JobFailure = z.infer<typeof JobFailure>;

/** `notKept`: why there is no checkpoint of what was done. After some such ends in a row the job fails. */
export const TrainRelease = z.object({ notKept: z.string().min(1).max(1000).optional() });
export type TrainRelease = z.infer<typeof TrainRelease>;

/** What training asks of a runner: the job is reported on, and handed in, under its lease. */
export interface TrainEngine {
  train(lease: TrainLease): Promise<TrainOutcome>;
}

/** How a runner leaves a job. `lost`: the lease was over, or the API out of reach; somebody else goes on. */
export const TrainOutcome = z.enum(['finished', 'paused', 'cancelled', 'failed', 'released', 'lost']);
export type TrainOutcome = z.infer<typeof TrainOutcome>;

/** Its time is that of its work, under all leases together (gpu-runner/train/leased-job.ts). */
export const train = defineFunction({
  name: 'train',
  trigger: { kind: 'queue' },
  needs: { processor: 'gpu', memoryMiB: 6144, timeoutSeconds: 24 * 3600, retries: 2, concurrency: 8 },
  event: TrainLease,
  result: TrainOutcome,
  handle: (lease, engine: TrainEngine) => engine.train(lease),
});
