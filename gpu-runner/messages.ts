/** What the main thread and the worker of a base say to each other. Both are ours: plain types. */

import type { BaseConfig } from '../adapter/base-config.ts';
import type { GenerateEvent, Sampling } from '../functions/generate.ts';
import type { FaultCode } from './faults.ts';
import type { AdapterOnDisk } from './serve/adapter-cache.ts';

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
  readonly prompt: readonly number[];
  readonly adapters: readonly (AdapterOnDisk & { readonly weight: number })[];
  readonly sampling: Sampling;
  readonly seed: number;
  readonly n: number;
}

export type ToWorker =
  | GenerateCommand
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'close' };

export interface WorkerStats {
  readonly running: number;
  readonly waiting: number;
  readonly adapters: number;
}

export type FromWorker =
  | { readonly type: 'ready'; readonly config: BaseConfig }
  | { readonly type: 'broken'; readonly code: FaultCode; readonly detail: string }
  | { readonly type: 'event'; readonly id: number; readonly event: GenerateEvent }
  | { readonly type: 'refused'; readonly id: number; readonly code: FaultCode; readonly detail: string }
  | { readonly type: 'stats'; readonly stats: WorkerStats }
  | { readonly type: 'closed' };
