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
import { DiskCache } from './disk-cache.ts';
import { Fault } from './faults.ts';
import { ChatTemplates, TemplateError } from './model/chat-template.ts';
import { WEIGHTS_FILE } from './serve/adapter-cache.ts';

/** Characters per token of the wordiest tokenizers' worst case; beyond context x this, tokenising is wasted work. */
const MAX_CHARACTERS_PER_TOKEN = 64;

export class Runner {
  private readonly config: RunnerConfig;
  private readonly hosts = new Map<string, { id: string; opening: Promise<BaseHost>; host?: BaseHost }>();
  private readonly bases: DiskCache;
  private readonly adapters: DiskCache;
  private readonly templates = new ChatTemplates();
  private draining = false;

  constructor(config: RunnerConfig) {
    this.config = config;
    this.bases = new DiskCache(join(config.cacheFolder, 'bases'), config.diskBytes);
    this.adapters = new DiskCache(join(config.cacheFolder, 'adapters'), config.diskBytes);
  }

  /** Loads a base, or waits for its load. @throws Fault */
  async open(base: BaseSource): Promise<BaseHost> {
    if (this.draining) throw new Fault('draining', 'this runner is shutting down');
    const known = this.hosts.get(base.digest);
    if (known && known.host?.isAlive !== false) return known.opening;
    const release = this.bases.hold(base.digest);
    const entry: { id: string; opening: Promise<BaseHost>; host?: BaseHost } = {
      id: base.id,
      opening: this.load(base),
    };
    this.hosts.set(base.digest, entry);
    try {
      entry.host = await entry.opening;
      return entry.host;
    } catch (error) {
      this.hosts.delete(base.digest);
      release();
      throw error;
    }
  }

  /** @throws Fault before the first event; after it, faults are events */
  async *generate(request: GenerateRequest, signal: AbortSignal): AsyncGenerator<GenerateEvent> {
    const host = await this.open(request.base);
    const prompt = await this.tokenize(host, request.prompt);
    const limit = host.config.contextLength;
    if (prompt.length >= limit) {
      throw new Fault(
        'context_length_exceeded',
        `The prompt has ${prompt.length} tokens; the context of ${request.base.id} holds ${limit}, answer included.`,
        'messages',
      );
    }
    const outside = Object.keys(request.sampling.logitBias).find((id) => Number(id) >= host.config.vocabSize);
    if (outside)
      throw new Fault(
        'invalid_request',
        `logit_bias names the token ${outside}; the vocabulary has ${host.config.vocabSize}.`,
        'logit_bias',
      );
    const adapters = await Promise.all(request.adapters.map((adapter) => this.fetchAdapter(adapter)));
    const seed = request.sampling.seed ?? randomInt(2 ** 47);
    const { sampling, n } = request;
    yield* host.generate({ prompt, adapters, sampling, seed, n }, signal);
  }

  health(): RunnerHealth {
    const live = [...this.hosts].flatMap(([digest, { id, host }]) =>
      host?.isAlive ? [{ digest, id, host }] : [],
    );
    const sum = (of: (host: BaseHost) => number) => live.reduce((total, { host }) => total + of(host), 0);
    return {
      status: this.draining ? 'draining' : 'ok',
      bases: live.map(({ digest, id, host }) => ({ id, digest, contextLength: host.config.contextLength })),
      running: sum(({ stats }) => stats.running),
      waiting: sum(({ stats }) => stats.waiting),
      adaptersInMemory: sum(({ stats }) => stats.adapters),
    };
  }

  /** Finishes what runs, takes nothing new. */
  async drain(): Promise<void> {
    this.draining = true;
    await Promise.allSettled([...this.hosts.values()].map(async ({ opening }) => (await opening).close()));
    await this.templates.close();
  }

  private async load(base: BaseSource): Promise<BaseHost> {
    const folder = await this.bases.load(base.digest, base.files);
    const { threads, maxRows, maxWaiting, kvBytes, adapterBytes } = this.config;
    return BaseHost.open({ folder, threads, maxRows, maxWaiting, kvBytes, adapterBytes });
  }

  private async fetchAdapter({ digest, weight, config, weights }: AdapterSource) {
    const folder = await this.adapters.load(digest, [{ ...weights, path: WEIGHTS_FILE }]);
    return { digest, weight, config, folder };
  }

  private async tokenize({ tokenizer, config }: BaseHost, prompt: Prompt): Promise<number[]> {
    if (prompt.kind === 'tokens') {
      const unknown = prompt.tokens.find((token) => token >= config.vocabSize);
      if (unknown !== undefined)
        throw new Fault(
          'invalid_request',
          `prompt: ${unknown} is not a token; the vocabulary has ${config.vocabSize}.`,
          'prompt',
        );
      return prompt.tokens;
    }
    const text = prompt.kind === 'text' ? prompt.text : await this.render({ tokenizer }, prompt.messages);
    if (text.length > config.contextLength * MAX_CHARACTERS_PER_TOKEN) {
      throw new Fault(
        'context_length_exceeded',
        `The prompt has ${text.length} characters; the context holds ${config.contextLength} tokens.`,
        'messages',
      );
    }
    const tokens = prompt.kind === 'text' ? tokenizer.encodeText(text) : tokenizer.encodeRendered(text);
    if (tokens.length === 0) throw new Fault('invalid_request', 'The prompt is empty.', 'prompt');
    return tokens;
  }

  private async render(
    { tokenizer }: Pick<BaseHost, 'tokenizer'>,
    messages: Extract<Prompt, { kind: 'messages' }>['messages'],
  ): Promise<string> {
    if (!tokenizer.chatTemplate) {
      throw new Fault('template_failed', 'This base has no chat template; use /v1/completions.', 'messages');
    }
    const safe = messages.map((message) => ({ ...message, content: tokenizer.defuse(message.content) }));
    try {
      return await this.templates.render({
        template: tokenizer.chatTemplate,
        messages: safe,
        specials: tokenizer.specials,
      });
    } catch (error) {
      if (error instanceof TemplateError) throw new Fault('template_failed', error.message, 'messages');
      throw error;
    }
  }
}
