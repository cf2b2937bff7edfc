/**
 * The thread of one base model: session, scheduler, sampling and text. A run of the session blocks its thread, so nothing
 * else lives here, and HTTP never waits for a matrix product.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { BEAT_MS, MAX_RESIDENT, type TokenLogprob } from '../functions/generate.ts';
import { type Failure, Fault, failureOf } from './faults.ts';
import type { FromWorker, GenerateCommand, ServedBase, ToWorker, WorkerSettings } from './messages.ts';
import { type Checkpoint, openCheckpoint } from './model/checkpoint.ts';
import { openPrepared } from './model/prepared.ts';
import { readTokenTable, type TokenTable } from './model/token-table.ts';
import { chosenProvider } from './provider.ts';
import { AdapterCache } from './serve/adapter-cache.ts';
import { AdapterLoader } from './serve/adapter-loader.ts';
import { canMix } from './serve/composition.ts';
import { Grammars } from './serve/grammars.ts';
import { type ChosenToken, NotFiniteError } from './serve/sampling.ts';
import { BusyError, type Progress, Scheduler } from './serve/scheduler.ts';
import { longestFitting, SessionStepper } from './serve/stepper.ts';
import { ORT_VERSION } from './session.ts';

/** Goes up with every change of ours that changes an answer: of the graph, the sampling, the text. */
const ENGINE_VERSION = 1;

const port = parentPort!;
const settings = workerData as WorkerSettings;
const say = (message: FromWorker): void => port.postMessage(message);

function refusalOf(error: unknown): Failure {
  if (error instanceof BusyError) return { code: 'busy', detail: error.message };
  if (error instanceof NotFiniteError)
    return { code: 'adapter_invalid', detail: error.message, field: 'model' };
  return failureOf(error);
}

class BaseWorker {
  readonly base: ServedBase;
  private readonly table: TokenTable;
  private readonly scheduler: Scheduler;
  private readonly adapters: AdapterCache;
  private readonly grammars: Grammars;
  private readonly stepper: SessionStepper;
  /** Requests that are not over, and how to cancel them. */
  private readonly requests = new Map<number, { cancel: () => void; cancelled: boolean }>();
  private reported = '';

  constructor(stepper: SessionStepper, table: TokenTable, checkpoint: Checkpoint) {
    const { config, endTokens } = checkpoint;
    this.stepper = stepper;
    this.table = table;
    this.base = {
      vocabSize: config.vocabSize,
      contextLength: longestFitting(stepper),
      engine: `${ENGINE_VERSION} onnxruntime ${ORT_VERSION} ${chosenProvider()}`,
    };
    const limits = { ...settings, contextLength: this.base.contextLength };
    this.scheduler = new Scheduler(stepper, table, endTokens, limits, () => this.report());
    const loader = new AdapterLoader(checkpoint.folder);
    this.adapters = new AdapterCache(settings.adapterBytes, (adapter) => loader.load(adapter));
    this.grammars = new Grammars({ folder: checkpoint.folder, vocabSize: config.vocabSize, endTokens });
    // A run blocks this thread, and its timers too: one that does not come back is not heard of any more.
    setInterval(() => this.requests.size > 0 && say({ type: 'beat' }), BEAT_MS).unref();
  }

  static async open(): Promise<BaseWorker> {
    const { folder } = settings;
    const checkpoint = await openCheckpoint(folder).catch((error: Error) => {
      throw new Fault('base_unsupported', error.message);
    });
    const table = await readFile(join(folder, 'tokenizer.json'), 'utf8')
      .then((text) => readTokenTable(JSON.parse(text)))
      .catch((error: Error) => {
        throw new Fault('base_unsupported', `tokenizer.json cannot be read: ${error.message}`);
      });
    const session = await openPrepared(checkpoint, settings.threads);
    const stepper = new SessionStepper(session, checkpoint.config, settings.kvBytes);
    if (longestFitting(stepper) === 0)
      throw new Fault('base_unsupported', `a cache of ${settings.kvBytes} bytes cannot hold one sequence`);
    return new BaseWorker(stepper, table, checkpoint);
  }

  async generate({
    id,
    tenant,
    prompt,
    adapters,
    sampling,
    seed,
    n,
    schema,
    forced,
  }: GenerateCommand): Promise<void> {
    const request = { cancel: (): void => undefined, cancelled: false };
    this.requests.set(id, request);
    try {
      const inMemory = adapters.map(({ digest }) => this.adapters.has(digest));
      const loaded = await Promise.all(
        adapters.map(async (source) => ({
          adapter: await this.adapters.get(source),
          weight: source.weight,
        })),
      );
      if (request.cancelled) return;
      if (!canMix(loaded))
        throw new Fault(
          'invalid_request',
          'An adapter with DoRA can be neither mixed nor weighted.',
          'model',
        );
      let open = n;
      const finished = () => {
        if (--open === 0) this.requests.delete(id);
      };
      const answers = Array.from({ length: n }, (_, answer) => ({
        job: {
          tenant,
          prompt,
          adapters: loaded,
          sampling,
          seed,
          answer,
          openGrammar: schema && (() => this.grammars.open(schema)),
          forced,
        },
        progress: this.progress(id, answer, finished),
      }));
      request.cancel = this.scheduler.submit(answers);
      say({ type: 'event', id, event: { type: 'start', promptTokens: prompt.length }, seen: { inMemory } });
    } catch (error) {
      this.fail(id, error);
    }
  }

  cancel(id: number): void {
    const request = this.requests.get(id);
    if (!request) return; // it ended while the message was on its way
    this.requests.delete(id);
    request.cancelled = true;
    request.cancel();
  }

  async close(): Promise<void> {
    await this.scheduler.idle();
    await this.stepper.release();
  }

  private fail(id: number, error: unknown): void {
    if (!this.requests.has(id)) return;
    this.cancel(id); // its other answers
    say({ type: 'failed', id, failure: refusalOf(error) });
  }

  private report(): void {
    const { running, queued: waiting, answerSeconds } = this.scheduler;
    const cacheBytes = this.stepper.heldBytes;
    const adapters = this.adapters.size;
    const text = `${running} ${waiting} ${adapters} ${cacheBytes}`;
    if (text === this.reported) return;
    this.reported = text;
    const recentAdapters = this.adapters.recent(MAX_RESIDENT);
    say({ type: 'stats', stats: { running, waiting, adapters, cacheBytes, recentAdapters, answerSeconds } });
  }

  private progress(id: number, index: number, finished: () => void): Progress {
    return {
      delta: (text, tokens) => {
        const described = tokens.flatMap((token) => this.described(token));
        if (!text && described.length === 0) return;
        const event = { type: 'delta', index, text } as const;
        say({ type: 'event', id, event: described.length > 0 ? { ...event, tokens: described } : event });
      },
      finish: (reason, tokens, timing) => {
        const event = { type: 'finish', index, reason, completionTokens: tokens } as const;
        say({ type: 'event', id, event, seen: { timing, tokens } });
        finished();
      },
      fail: (error) => this.fail(id, error),
    };
  }

  /** The token with its probability and the most probable ones; nothing when nobody asked. */
  private described({ id, logprob, top }: ChosenToken): (TokenLogprob & { top: TokenLogprob[] })[] {
    if (logprob === undefined) return [];
    const one = (token: number, value: number): TokenLogprob => {
      const bytes = this.table.ownBytes(token);
      return { id: token, text: new TextDecoder().decode(bytes), bytes: [...bytes], logprob: value };
    };
    return [{ ...one(id, logprob), top: (top ?? []).map((other) => one(other.id, other.logprob)) }];
  }
}

async function main(): Promise<void> {
  const worker = await BaseWorker.open();
  port.on('message', (message: ToWorker) => {
    if (message.type === 'generate') void worker.generate(message);
    else if (message.type === 'cancel') worker.cancel(message.id);
    else void worker.close().finally(() => port.close());
  });
  say({ type: 'ready', base: worker.base });
}

main().catch((error: unknown) => say({ type: 'broken', failure: failureOf(error) }));
