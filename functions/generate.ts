/**
 * What the API asks of a runner, and what the runner answers: the one contract between them for inference.
 * `POST {runner}/generate` takes a GenerateRequest as JSON and answers newline-delimited GenerateEvents. Everything a
 * runner needs travels in the request as presigned URLs, so a runner holds no credentials and knows no database.
 *
 * A runner that has nothing to tell sends an empty line every BEAT_MS, and begins its answer with one where the first event takes
 * longer. While the answer is computed they come from the thread that computes. So whoever hears nothing for STALLED_MS knows that
 * the machine is gone, or that it does nothing any more.
 */
import { z } from 'zod';
import { AnswerSchema } from './answer-schema.ts';

export const BEAT_MS = 2_500;
/** Many times what the slowest step takes: between two of them the thread is heard of. */
export const STALLED_MS = 15_000;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be a lower-case hexadecimal sha256');

/** A file a runner may fetch: bytes are checked against size and sha256 before use. */
export const FileSource = z.object({
  path: z.string().min(1).max(512),
  size: z.int().nonnegative(),
  sha256,
  url: z.url(),
});
export type FileSource = z.infer<typeof FileSource>;

/** A base model: the files of a Hugging Face checkpoint folder. `digest` names this exact set of files. */
export const BaseSource = z.object({
  id: z.string().min(1).max(200),
  digest: sha256,
  files: z.array(FileSource).min(1).max(2000),
});
export type BaseSource = z.infer<typeof BaseSource>;

/** One adapter of a request; `weight` multiplies its scale (1 unless the request names a mix). */
export const AdapterSource = z.object({
  digest: sha256,
  weight: z.number().min(-16).max(16),
  /** The adapter_config.json as published, already validated by the API. */
  config: z.record(z.string(), z.unknown()),
  weights: FileSource,
});
export type AdapterSource = z.infer<typeof AdapterSource>;

export const ChatMessage = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: z.string(),
  name: z.string().max(64).optional(),
});
export type ChatMessage = z.infer<typeof ChatMessage>;

export const Prompt = z.discriminatedUnion('kind', [
  /** Rendered with the base's chat template, with a generation prompt. */
  z.object({ kind: z.literal('messages'), messages: z.array(ChatMessage).min(1).max(2048) }),
  /** Tokenised as it stands, with the tokenizer's own special tokens. */
  z.object({ kind: z.literal('text'), text: z.string() }),
  z.object({ kind: z.literal('tokens'), tokens: z.array(z.int().nonnegative()).min(1) }),
]);
export type Prompt = z.infer<typeof Prompt>;

/** Sampling as OpenAI and vLLM name it. Temperature 0 is greedy. */
export const Sampling = z.object({
  temperature: z.number().min(0).max(2).default(1),
  topP: z.number().gt(0).max(1).default(1),
  /** 0: no limit. */
  topK: z.int().min(0).default(0),
  minP: z.number().min(0).max(1).default(0),
  seed: z.int().optional(),
  frequencyPenalty: z.number().min(-2).max(2).default(0),
  presencePenalty: z.number().min(-2).max(2).default(0),
  logitBias: z.record(z.string().regex(/^\d+$/), z.number().min(-100).max(100)).default({}),
  stop: z.array(z.string().min(1).max(256)).max(4).default([]),
  /** Absent: until the context is full. */
  maxTokens: z.int().min(0).optional(),
  /** Absent: no log-probabilities; 0: only the chosen token's. */
  topLogprobs: z.int().min(0).max(20).optional(),
  /** Also return the prompt's own text first (completions only). */
  echo: z.boolean().default(false),
});
export type Sampling = z.infer<typeof Sampling>;

export const GenerateRequest = z.object({
  requestId: z.string().min(1).max(128),
  /** Who pays, opaque to the runner: those who wait share it fairly. Absent: one of the runner's own. */
  tenant: z.string().min(1).max(200).optional(),
  base: BaseSource,
  adapters: z.array(AdapterSource).max(8),
  prompt: Prompt,
  sampling: Sampling,
  /** The answer is JSON that satisfies it. Absent: any text. */
  schema: AnswerSchema.optional(),
  /** How many answers; each draws random numbers of its own, from the seed and its index. */
  n: z.int().min(1).max(16).default(1),
});
export type GenerateRequest = z.infer<typeof GenerateRequest>;

export const TokenLogprob = z.object({
  id: z.int(),
  /** The token's own bytes decoded; may be a partial character, hence `bytes`. */
  text: z.string(),
  bytes: z.array(z.int().min(0).max(255)),
  logprob: z.number(),
});
export type TokenLogprob = z.infer<typeof TokenLogprob>;

export const GenerateEvent = z.discriminatedUnion('type', [
  /** First event: the prompt was accepted, tokenised and queued. */
  z.object({
    type: z.literal('start'),
    promptTokens: z.int(),
    /** Of base, adapters and engine, together; absent: the runner is of before there was one. */
    fingerprint: z.string().max(64).optional(),
    /** The answer is held to the request's schema; absent: there is none, or the runner is of before there were any. */
    schema: z.literal(true).optional(),
  }),
  /** New text of answer `index`. Text never ends in the middle of a character nor inside a possible stop string. */
  z.object({
    type: z.literal('delta'),
    index: z.int(),
    text: z.string(),
    tokens: z.array(TokenLogprob.extend({ top: z.array(TokenLogprob) })).optional(),
  }),
  z.object({
    type: z.literal('finish'),
    index: z.int(),
    reason: z.enum(['stop', 'length']),
    completionTokens: z.int(),
  }),
  /** Last event of a stream that broke after it had begun; as the first one, a RunnerError that took longer than BEAT_MS. */
  z.object({
    type: z.literal('error'),
    code: z.string(),
    detail: z.string(),
    field: z.string().optional(),
  }),
]);
export type GenerateEvent = z.infer<typeof GenerateEvent>;
/** What there is of an answer where an error is thrown. */
export type AnswerEvent = Exclude<GenerateEvent, { type: 'error' }>;

/**
 * Before the stream begins the runner answers errors as JSON `{code, detail, field?}`:
 * 400 context_length_exceeded | invalid_request | template_failed, 409 adapter_invalid, 413 too_large,
 * 429 busy (with Retry-After), 502 fetch_failed | checksum_mismatch, 422 base_unsupported, 503 draining.
 */
export const RunnerError = z.object({
  code: z.enum([
    'context_length_exceeded',
    'invalid_request',
    'template_failed',
    'adapter_invalid',
    'too_large',
    'busy',
    'fetch_failed',
    'checksum_mismatch',
    'base_unsupported',
    'draining',
    'unauthorized',
    'internal',
  ]),
  detail: z.string(),
  field: z.string().optional(),
});
export type RunnerError = z.infer<typeof RunnerError>;

/** The most adapters that a runner names: enough to be found by, few enough that a thousand runners can be remembered. */
export const MAX_RESIDENT = 256;

/** The beginning of an adapter's digest: 64 bits, by which no two of a million are taken for one. */
const ShortDigest = z.string().regex(/^[0-9a-f]{16}$/);
export const shortDigest = (digest: string): string => digest.slice(0, 16);

/**
 * `GET {runner}/health`, and what a runner reports of itself: what it is, what it has in memory and how much it does, for routing
 * and for the operator. `POST {runner}/bases` loads a BaseSource ahead of time (warm.ts).
 */
export const RunnerHealth = z.object({
  status: z.enum(['ok', 'draining']),
  /** Execution provider. */
  provider: z.string().min(1).max(32),
  /** Bytes of base weights that it may keep in memory: bases beyond that push each other out. */
  baseBytes: z.int().positive(),
  /** Answers that it decodes together. */
  slots: z.int().positive(),
  /** Answers that may wait for a slot. */
  maxWaiting: z.int().nonnegative(),
  bases: z.array(z.object({ id: z.string(), digest: sha256, contextLength: z.int() })).max(256),
  running: z.int().nonnegative(),
  /** Those that wait for their base or adapter included. */
  waiting: z.int().nonnegative(),
  adaptersInMemory: z.int().nonnegative(),
  /** Some of them, most recently used first. */
  adapters: z.array(ShortDigest).max(MAX_RESIDENT),
  /** How long an answer has a slot, lately; null: none has ended yet. */
  answerSeconds: z.number().positive().nullable(),
});
export type RunnerHealth = z.infer<typeof RunnerHealth>;
