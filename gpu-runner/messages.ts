/** What the main thread and the worker of a base say to each other. Both are ours: plain types. */

import type { AnswerSchema } from '../functions/answer-schema.ts';
import type { GenerateEvent, Sampling } from '../functions/generate.ts';
import type { Failure } from './faults.ts';
import type { AdapterOnDisk } from './serve/load-adapter.ts';
import type { Timing } from './serve/scheduler.ts';

export interface WorkerSettings {
  readonly folder: string;
  readonly threads: number;
  readonly maxRows: number;
  readonly maxWaiting: number;
  readonly kvBytes: number;
  readonly adapterBytes: number;
}

export interface GenerateCommand {
  readonly type: 'generate';
  readonly id: number;
  readonly tenant?: string | undefined;
  readonly prompt: readonly number[];
  readonly adapters: readonly (AdapterOnDisk & { readonly weight: number })[];
  readonly sampling: Sampling;
  readonly seed: number;
  readonly n: number;
  /** What the answer must be, as JSON. */
  readonly schema?: AnswerSchema | undefined;
  /** See Job of serve/scheduler.ts. */
  readonly forced?: readonly number[];
}

export type ToWorker =
  | GenerateCommand
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'close' };

export interface WorkerStats {
  readonly running: number;
  readonly waiting: number;
  readonly adapters: number;
  /** Bytes of keys and values of what runs, and of its adapters' slabs. */
  readonly cacheBytes: number;
  /** Digests of some of them, most recently used first. */
  readonly recentAdapters: readonly string[];
  /** How long an answer has a place in the batch, lately. */
  readonly answerSeconds: number | undefined;
}

/** What a base allows as it is served here. */
export interface ServedBase {
  readonly vocabSize: number;
  /** Tokens of prompt and answer: the model's own limit, or what the cache can hold. */
  readonly contextLength: number;
  /** What computes: it changes when the same request could give another answer. */
  readonly engine: string;
}

/** What the operator is told beside the answer. */
export type Seen =
  /** For each adapter of the request. */
  | { readonly inMemory: readonly boolean[] }
  /** Of an answer that has ended. */
  | { readonly timing: Timing; readonly tokens: number };

export type FromWorker =
  | { readonly type: 'ready'; readonly base: ServedBase }
  | { readonly type: 'broken'; readonly failure: Failure }
  | { readonly type: 'event'; readonly id: number; readonly event: GenerateEvent; readonly seen?: Seen }
  /** The request is over, before it began or in its middle. */
  | { readonly type: 'failed'; readonly id: number; readonly failure: Failure }
  /** The thread takes its steps. */
  | { readonly type: 'beat' }
  | { readonly type: 'stats'; readonly stats: WorkerStats };
