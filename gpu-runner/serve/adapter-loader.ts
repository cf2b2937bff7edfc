/**
 * Loads adapters in a thread of its own. A file is read in hundreds of pieces, and the thread that computes hears of one of
 * them between two steps: there, an adapter would take hundreds of steps to load.
 */
import { Worker } from 'node:worker_threads';
import { type Failure, faultOf } from '../faults.ts';
import type { LoadedAdapter } from './composition.ts';
import type { AdapterOnDisk } from './load-adapter.ts';

export interface ToLoader {
  readonly id: number;
  readonly adapter: AdapterOnDisk;
}

export type FromLoader = { readonly id: number } & (
  | { readonly loaded: LoadedAdapter }
  | { readonly failure: Failure }
);

export class AdapterLoader {
  /** Of the checkpoint that they are for. */
  private readonly folder: string;
  private readonly pending = new Map<number, PromiseWithResolvers<LoadedAdapter>>();
  private thread: Worker | undefined;
  private nextId = 1;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** @throws Fault adapter_invalid with the reasons */
  load(adapter: AdapterOnDisk): Promise<LoadedAdapter> {
    const id = this.nextId++;
    const waiting = Promise.withResolvers<LoadedAdapter>();
    this.pending.set(id, waiting);
    this.thread ??= this.start();
    this.thread.postMessage({ id, adapter } satisfies ToLoader);
    return waiting.promise;
  }

  private start(): Worker {
    const thread = new Worker(new URL('./adapter-loader-worker.ts', import.meta.url), {
      workerData: this.folder,
      env: {},
    });
    thread.on('message', (message: FromLoader) => {
      const waiting = this.pending.get(message.id)!;
      this.pending.delete(message.id);
      if ('loaded' in message) waiting.resolve(message.loaded);
      else waiting.reject(faultOf(message.failure));
    });
    thread.on('error', (error) => this.lost(thread, error)).on('exit', () => this.lost(thread));
    thread.unref(); // it ends with the thread that it loads for
    return thread;
  }

  /** The next load starts another one. */
  private lost(thread: Worker, error = new Error('the thread that loads adapters ended')): void {
    if (this.thread !== thread) return;
    this.thread = undefined;
    for (const waiting of this.pending.values()) waiting.reject(error);
    this.pending.clear();
  }
}
