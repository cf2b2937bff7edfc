/**
 * The thread of one base model: session, scheduler, sampling and text. A run of the session blocks its thread, so nothing
 * else lives here, and HTTP never waits for a matrix product.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import type { TokenLogprob } from '../functions/generate.ts';
import { Fault } from './faults.ts';
import type { FromWorker, GenerateCommand, ToWorker, WorkerSettings } from './messages.ts';
import { openCheckpoint } from './model/checkpoint.ts';
import { openPrepared } from './model/prepared.ts';
import { readTokenTable, type TokenTable } from './model/token-table.ts';
import { AdapterCache } from './serve/adapter-cache.ts';
import type { ChosenToken } from './serve/sampling.ts';
import { BusyError, type Progress, Scheduler } from './serve/scheduler.ts';
import { SessionStepper } from './serve/stepper.ts';

const port = parentPort!;
const settings = workerData as WorkerSettings;
const say = (message: FromWorker): void => port.postMessage(message);

function faultOf(error: unknown): { code: Fault['code']; detail: string } {
  if (error instanceof Fault) return { code: error.code, detail: error.message };
  if (error instanceof BusyError) return { code: 'busy', detail: error.message };
  return {
    code: 'internal',
    detail: error instanceof Error ? (error.stack ?? error.message) : String(error),
  };
}

class BaseWorker {
  private readonly table: TokenTable;
  private readonly scheduler: Scheduler;
  private readonly adapters: AdapterCache;
  private readonly stepper: SessionStepper;
  private readonly cancels = new Map<number, () => void>();
  private readonly cancelled = new Set<number>();

  constructor(stepper: SessionStepper, table: TokenTable, endTokens: readonly number[]) {
    this.stepper = stepper;
    this.table = table;
    this.scheduler = new Scheduler(stepper, table, endTokens, settings);
    this.adapters = new AdapterCache(stepper.config, settings.adapterBytes);
  }

  static async open(): Promise<BaseWorker> {
    const checkpoint = await openCheckpoint(settings.folder).catch((error: Error) => {
      throw new Fault('base_unsupported', error.message);
    });
    const session = await openPrepared(checkpoint, settings.threads);
    const table = readTokenTable(JSON.parse(await readFile(join(settings.folder, 'tokenizer.json'), 'utf8')));
    return new BaseWorker(
      new SessionStepper(session, checkpoint.config, settings.kvBytes),
      table,
      checkpoint.endTokens,
    );
  }

  get config() {
    return this.stepper.config;
  }

  async generate(command: GenerateCommand): Promise<void> {
    const { id, prompt, sampling, seed, n } = command;
    try {
      const adapters = await Promise.all(
        command.adapters.map(async (adapter) => ({
          adapter: await this.adapters.get(adapter),
          weight: adapter.weight,
        })),
      );
      if (this.cancelled.delete(id)) return;
      let left = n;
      const done = () => {
        if (--left === 0) this.cancels.delete(id);
        this.report();
      };
      const answers = Array.from({ length: n }, (_, answer) => ({
        job: { prompt, adapters, sampling, seed, answer },
        progress: this.progress(id, answer, done),
      }));
      const cancel = this.scheduler.submit(answers);
      this.cancels.set(id, cancel);
      say({ type: 'event', id, event: { type: 'start', promptTokens: prompt.length } });
      this.report();
    } catch (error) {
      say({ type: 'refused', id, ...faultOf(error) });
    }
  }

  cancel(id: number): void {
    const cancel = this.cancels.get(id);
    if (cancel) cancel();
    else this.cancelled.add(id);
    this.cancels.delete(id);
  }

  async close(): Promise<void> {
    await this.scheduler.idle();
    await this.stepper.release();
  }

  private report(): void {
    say({
      type: 'stats',
      stats: {
        running: this.scheduler.running,
        waiting: this.scheduler.queued,
        adapters: this.adapters.size,
      },
    });
  }

  private progress(id: number, index: number, done: () => void): Progress {
    const withLogprobs = (tokens: readonly ChosenToken[]) =>
      tokens.flatMap((token) => (token.logprob === undefined ? [] : [this.described(token)]));
    return {
      delta: (text, tokens) => {
        const described = withLogprobs(tokens);
        if (!text && described.length === 0) return;
        say({
          type: 'event',
          id,
          event: { type: 'delta', index, text, ...(described.length > 0 ? { tokens: described } : {}) },
        });
      },
      finish: (reason, completionTokens) => {
        say({ type: 'event', id, event: { type: 'finish', index, reason, completionTokens } });
        done();
      },
      fail: (error) => {
        say({ type: 'event', id, event: { type: 'error', ...faultOf(error) } });
        done();
      },
    };
  }

  private described({ id, logprob, top }: ChosenToken): TokenLogprob & { top: TokenLogprob[] } {
    const one = (token: number, value: number): TokenLogprob => {
      const bytes = this.table.ownBytes(token);
      return { id: token, text: new TextDecoder().decode(bytes), bytes: [...bytes], logprob: value };
    };
    return { ...one(id, logprob!), top: (top ?? []).map((other) => one(other.id, other.logprob)) };
  }
}

async function main(): Promise<void> {
  const worker = await BaseWorker.open();
  port.on('message', (message: ToWorker) => {
    if (message.type === 'generate') void worker.generate(message);
    else if (message.type === 'cancel') worker.cancel(message.id);
    else {
      void worker.close().finally(() => {
        say({ type: 'closed' });
        port.close();
      });
    }
  });
  say({ type: 'ready', config: worker.config });
}

main().catch((error: unknown) => say({ type: 'broken', ...faultOf(error) }));
