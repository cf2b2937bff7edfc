/** What a runner does with a request: get the base and the adapters here, turn the prompt into tokens, generate. */
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import {
  type AdapterSource,
  type BaseSource,
  BEAT_MS,
  type GenerateEvent,
  type GenerateRequest,
  MAX_RESIDENT,
  type Prompt,
  type RunnerHealth,
  STALLED_MS,
  shortDigest,
} from '../functions/generate.ts';
import { observe, secondsSince } from '../observe/metrics.ts';
import { inSpan } from '../observe/trace.ts';
import { BaseHost } from './base-host.ts';
import { Bases, type Servable } from './bases.ts';
import type { RunnerConfig } from './config.ts';
import { DiskCache, type HeldEntry } from './disk-cache.ts';
import { Fault } from './faults.ts';
import { fingerprintOf } from './fingerprint.ts';
import type { Seen } from './messages.ts';
import { WEIGHTS_FILE } from './model/adapter-file.ts';
import { Prompts } from './model/prompts.ts';
import { watchRequest } from './watch-request.ts';

interface ServedHere extends Servable {
  readonly id: string;
  readonly host: BaseHost;
  readonly prompts: Prompts;
}

export class Runner {
  private readonly config: RunnerConfig;
  private readonly bases: Bases<ServedHere>;
  private readonly baseFiles: DiskCache;
  private readonly adapterFiles: DiskCache;
  /** Requests that are being served. */
  private readonly active = new Set<Promise<void>>();
  /** Answers whose base, prompt or adapters are not ready yet. */
  private preparing = 0;
  private draining = false;

  constructor(config: RunnerConfig) {
    this.config = config;
    this.bases = new Bases((source) => this.load(source), config.baseBytes);
    this.baseFiles = new DiskCache(join(config.cacheFolder, 'bases'), config.diskBytes);
    this.adapterFiles = new DiskCache(join(config.cacheFolder, 'adapters'), config.diskBytes);
  }

  /** Loads a base, or waits for its load. @throws Fault */
  async open(source: BaseSource): Promise<{ contextLength: number }> {
    this.refuseWhenDraining();
    using held = new DisposableStack();
    const { host } = await this.bases.hold(source, held);
    return host.base;
  }

  /**
   * Events until the last; aborting ends them early.
   * @param beat called every BEAT_MS as long as something is done for the request
   * @throws Fault, before the first event or after it
   */
  async *generate(
    request: GenerateRequest,
    signal: AbortSignal,
    beat: () => void,
  ): AsyncGenerator<GenerateEvent> {
    const { promise, resolve: done } = Promise.withResolvers<void>();
    this.refuseWhenDraining();
    this.active.add(promise);
    using held = new DisposableStack();
    using preparing = new DisposableStack();
    this.preparing += request.n;
    preparing.defer(() => {
      this.preparing -= request.n;
    });
    const beating = setInterval(beat, BEAT_MS);
    held.defer(() => clearInterval(beating));
    try {
      this.checkCount(request.n);
      const { host, prompts, id } = await inSpan('hold base', {}, () => this.bases.hold(request.base, held));
      const prompt = await inSpan('tokenise', {}, () => tokensOf(prompts, request.prompt));
      checkTokens(request, prompt, host, id);
      const files = await Promise.all(
        request.adapters.map(async (adapter) => {
          const entry = await this.adapterOnDisk(adapter);
          letGoWith(held, entry);
          return entry;
        }),
      );
      const adapters = request.adapters.map(({ digest, weight, config }, i) => ({
        digest,
        weight,
        config,
        folder: files[i]!.folder,
      }));
      const { tenant, sampling, schema, n } = request;
      const seed = sampling.seed ?? randomInt(2 ** 47);
      const command = { tenant, prompt, adapters, sampling, schema, seed, n };
      const fingerprint = fingerprintOf(request, host.base.engine);
      const watch = watchRequest(
        files.map(({ fetched }) => fetched),
        prompt.length,
      );
      let unfinished = n;
      const see = (seen: Seen) => {
        watch(seen);
        // What is left is to read it, and whoever does may take long: the base can make room for another one.
        if ('timing' in seen && --unfinished === 0) held.dispose();
      };
      clearInterval(beating); // from here on it is for the base's thread to say
      for await (const event of host.generate(command, signal, see, beat)) {
        preparing.dispose(); // with its first event it is the host that counts it
        yield event.type === 'start' ? { ...event, fingerprint, ...(schema ? { schema: true } : {}) } : event;
      }
    } finally {
      this.active.delete(promise);
      done();
    }
  }

  /** Keys, values and slabs of what runs, and the most that they may take. */
  get cacheBytes(): { readonly used: number; readonly limit: number } {
    const hosts = this.bases.loaded.map(({ base: { host } }) => host);
    return {
      used: hosts.reduce((sum, { stats }) => sum + stats.cacheBytes, 0),
      limit: this.config.kvBytes * hosts.length,
    };
  }

  /** For how long the thread of a base has not been heard of, though it has something to do. */
  get silentMs(): number {
    return Math.max(0, ...this.bases.loaded.map(({ base: { host } }) => host.silentMs));
  }

  health(): RunnerHealth {
    const loaded = this.bases.loaded.map(({ digest, base: { id, host } }) => ({ digest, id, host }));
    const sum = (of: (host: BaseHost) => number) => loaded.reduce((total, { host }) => total + of(host), 0);
    const recent = loaded.flatMap(({ host }) => host.stats.recentAdapters);
    const timed = loaded.flatMap(({ host }) => host.stats.answerSeconds ?? []);
    const { provider, baseBytes, maxRows: slots, maxWaiting } = this.config;
    return {
      status: this.draining || this.silentMs > STALLED_MS ? 'draining' : 'ok',
      provider,
      baseBytes,
      slots,
      maxWaiting,
      bases: loaded.map(({ digest, id, host }) => ({ id, digest, contextLength: host.base.contextLength })),
      running: sum(({ stats }) => stats.running),
      waiting: sum(({ stats }) => stats.waiting) + this.preparing,
      adaptersInMemory: sum(({ stats }) => stats.adapters),
      adapters: recent.slice(0, MAX_RESIDENT).map(shortDigest),
      answerSeconds: timed.length > 0 ? Math.max(...timed) : null,
    };
  }

  /** Finishes what runs, takes nothing new, ends the threads. */
  async drain(): Promise<void> {
    this.draining = true;
    await Promise.all(this.active);
    await this.bases.close();
  }

  private refuseWhenDraining(): void {
    if (this.draining) throw new Fault('draining', 'this runner is shutting down');
  }

  private async load({ id, digest, files: sources }: BaseSource): Promise<ServedHere> {
    const began = performance.now();
    using undo = new DisposableStack();
    const files = undo.use(await this.baseFiles.hold(digest, sources));
    const { threads, maxRows, maxWaiting, kvBytes, adapterBytes } = this.config;
    const { folder } = files;
    const host = await BaseHost.open({ folder, threads, maxRows, maxWaiting, kvBytes, adapterBytes });
    const prompts = await Prompts.open(folder, host.base.contextLength).catch(async (error: unknown) => {
      await host.close();
      throw error;
    });
    const kept = undo.move();
    observe('patchbay_runner_base_load_seconds', secondsSince(began));
    return {
      id,
      host,
      prompts,
      get isAlive() {
        return host.isAlive;
      },
      async close() {
        await Promise.all([host.close(), prompts.close()]);
        kept.dispose();
      },
    };
  }

  private adapterOnDisk({ digest, weights }: AdapterSource): Promise<HeldEntry> {
    return inSpan('fetch adapter', { 'patchbay.adapter': digest }, async (span) => {
      const began = performance.now();
      const entry = await this.adapterFiles.hold(digest, [{ ...weights, path: WEIGHTS_FILE }]);
      span.setAttribute('patchbay.fetched', entry.fetched);
      if (entry.fetched) observe('patchbay_runner_adapter_fetch_seconds', secondsSince(began));
      return entry;
    });
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

/** What comes when `held` is gone, because another adapter of a mix failed meanwhile, is let go at once. */
function letGoWith(held: DisposableStack, entry: HeldEntry): void {
  if (held.disposed) entry[Symbol.dispose]();
  else held.use(entry);
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
