/** What a runner does with a request: get the base and the adapters here, turn the prompt into tokens, generate. */
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import type {
  AdapterSource,
  BaseSource,
  GenerateEvent,
  GenerateRequest,
  Prompt,
  RunnerHealth,
} from '../functions/generate.ts';
import { BaseHost } from './base-host.ts';
import type { RunnerConfig } from './config.ts';
import { DiskCache, type HeldEntry } from './disk-cache.ts';
import { Fault } from './faults.ts';
import { WEIGHTS_FILE } from './model/adapter-file.ts';
import { Prompts } from './model/prompts.ts';

interface LoadedBase {
  readonly id: string;
  readonly host: BaseHost;
  readonly prompts: Prompts;
  readonly files: HeldEntry;
}

export class Runner {
  private readonly config: RunnerConfig;
  private readonly bases = new Map<string, { opening: Promise<LoadedBase>; loaded?: LoadedBase }>();
  private readonly baseFiles: DiskCache;
  private readonly adapterFiles: DiskCache;
  /** Requests that are being served. */
  private readonly active = new Set<Promise<void>>();
  private draining = false;

  constructor(config: RunnerConfig) {
    this.config = config;
    this.baseFiles = new DiskCache(join(config.cacheFolder, 'bases'), config.diskBytes);
    this.adapterFiles = new DiskCache(join(config.cacheFolder, 'adapters'), config.diskBytes);
  }

  /** Loads a base, or waits for its load. @throws Fault */
  async open(source: BaseSource): Promise<{ contextLength: number }> {
    return (await this.base(source)).host.base;
  }

  /** Events until the last; aborting ends them early. @throws Fault, before the first event or after it */
  async *generate(request: GenerateRequest, signal: AbortSignal): AsyncGenerator<GenerateEvent> {
    const { promise, resolve: done } = Promise.withResolvers<void>();
    this.refuseWhenDraining();
    this.active.add(promise);
    using held = new DisposableStack();
    try {
      this.checkCount(request.n);
      const { host, prompts, id } = await this.base(request.base);
      const prompt = await tokensOf(prompts, request.prompt);
      checkTokens(request, prompt, host, id);
      const adapters = await Promise.all(
        request.adapters.map(async (adapter) => {
          const files = held.use(await this.adapterOnDisk(adapter));
          return {
            digest: adapter.digest,
            weight: adapter.weight,
            config: adapter.config,
            folder: files.folder,
          };
        }),
      );
      const { sampling, n } = request;
      const seed = sampling.seed ?? randomInt(2 ** 47);
      yield* host.generate({ prompt, adapters, sampling, seed, n }, signal);
    } finally {
      this.active.delete(promise);
      done();
    }
  }

  health(): RunnerHealth {
    const loaded = [...this.bases].flatMap(([digest, { loaded }]) =>
      loaded?.host.isAlive ? [{ digest, ...loaded }] : [],
    );
    const sum = (of: (host: BaseHost) => number) => loaded.reduce((total, { host }) => total + of(host), 0);
    return {
      status: this.draining ? 'draining' : 'ok',
      bases: loaded.map(({ digest, id, host }) => ({ id, digest, contextLength: host.base.contextLength })),
      running: sum(({ stats }) => stats.running),
      waiting: sum(({ stats }) => stats.waiting),
      adaptersInMemory: sum(({ stats }) => stats.adapters),
    };
  }

  /** Finishes what runs, takes nothing new, ends the threads. */
  async drain(): Promise<void> {
    this.draining = true;
    await Promise.all(this.active);
    await Promise.allSettled([...this.bases.values()].map(async ({ opening }) => close(await opening)));
  }

  private refuseWhenDraining(): void {
    if (this.draining) throw new Fault('draining', 'this runner is shutting down');
  }

  private async base(source: BaseSource): Promise<LoadedBase> {
    this.refuseWhenDraining();
    const known = this.bases.get(source.digest);
    if (known && known.loaded?.host.isAlive !== false) return known.opening;
    if (known?.loaded) void close(known.loaded); // its thread died: what is left of it goes, and it is loaded anew
    const entry: { opening: Promise<LoadedBase>; loaded?: LoadedBase } = { opening: this.load(source) };
    this.bases.set(source.digest, entry);
    try {
      entry.loaded = await entry.opening;
      return entry.loaded;
    } catch (error) {
      this.bases.delete(source.digest);
      throw error;
    }
  }

  private async load({ id, digest, files: sources }: BaseSource): Promise<LoadedBase> {
    using undo = new DisposableStack();
    const files = undo.use(await this.baseFiles.hold(digest, sources));
    const { threads, maxRows, maxWaiting, kvBytes, adapterBytes } = this.config;
    const { folder } = files;
    const host = await BaseHost.open({ folder, threads, maxRows, maxWaiting, kvBytes, adapterBytes });
    const prompts = await Prompts.open(folder, host.base.contextLength).catch(async (error: unknown) => {
      await host.close();
      throw error;
    });
    undo.move();
    return { id, host, prompts, files };
  }

  private adapterOnDisk({ digest, weights }: AdapterSource): Promise<HeldEntry> {
    return this.adapterFiles.hold(digest, [{ ...weights, path: WEIGHTS_FILE }]);
  }

  private checkCount(n: number): void {
    const most = this.config.maxRows + this.config.maxWaiting;
    if (n > most)
      throw new Fault(
        'invalid_request',
        `n is ${n}; this runner makes at most ${most} answers at a time.`,
        'n',
      );
  }
}

async function close({ host, prompts, files }: LoadedBase): Promise<void> {
  await Promise.all([host.close(), prompts.close()]);
  files[Symbol.dispose]();
}

async function tokensOf(prompts: Prompts, prompt: Prompt): Promise<readonly number[]> {
  const tokens = prompt.kind === 'tokens' ? prompt.tokens : await prompts.encode(prompt);
  if (tokens.length === 0) throw new Fault('invalid_request', 'The prompt is empty.', 'prompt');
  return tokens;
}

function checkTokens(
  { prompt: { kind }, sampling }: GenerateRequest,
  tokens: readonly number[],
  { base: { vocabSize, contextLength } }: BaseHost,
  id: string,
): void {
  const field = kind === 'messages' ? 'messages' : 'prompt';
  if (tokens.length >= contextLength) {
    throw new Fault(
      'context_length_exceeded',
      `The prompt has ${tokens.length} tokens; the context of ${id} holds ${contextLength}, answer included.`,
      field,
    );
  }
  const unknown = tokens.find((token) => token >= vocabSize);
  if (unknown !== undefined)
    throw new Fault('invalid_request', `${unknown} is not a token; the vocabulary has ${vocabSize}.`, field);
  const outside = Object.keys(sampling.logitBias).find((token) => Number(token) >= vocabSize);
  if (outside !== undefined)
    throw new Fault(
      'invalid_request',
      `logit_bias names the token ${outside}; the vocabulary has ${vocabSize}.`,
      'logit_bias',
    );
}
