/** What the base, alone or with the adapter, says: asked of the engine that serves users. */
import { Sampling } from '../../functions/generate.ts';
import type { BaseHost } from '../base-host.ts';
import type { AdapterOnDisk } from '../serve/load-adapter.ts';

/** Of a mix; none of them: the base. */
export type Adapters = readonly (AdapterOnDisk & { readonly weight: number })[];

export interface Answer {
  readonly text: string;
  readonly tokens: readonly number[];
  /** It came to its end by itself. */
  readonly ended: boolean;
}

export interface Score {
  /** Natural logarithm of the token's probability. */
  readonly logprob: number;
  /** No token was more probable. */
  readonly isBest: boolean;
}

export class Engine {
  private readonly host: BaseHost;
  private readonly signal: AbortSignal;

  constructor(host: BaseHost, signal: AbortSignal) {
    this.host = host;
    this.signal = signal;
  }

  /** The most probable token each time. @throws Fault */
  async answer(prompt: readonly number[], adapters: Adapters, maxTokens: number): Promise<Answer> {
    const sampling = Sampling.parse({ temperature: 0, maxTokens, topLogprobs: 0 });
    let text = '';
    let ended = false;
    const tokens: number[] = [];
    for await (const event of this.ask({ prompt, sampling }, adapters)) {
      if (event.type === 'finish') ended = event.reason === 'stop';
      if (event.type !== 'delta') continue;
      text += event.text;
      tokens.push(...(event.tokens ?? []).map(({ id }) => id));
    }
    this.signal.throwIfAborted(); // an answer that was broken off says nothing
    return { text, tokens, ended };
  }

  /** What the model thinks of each token of a continuation. @throws Fault */
  async score(prompt: readonly number[], forced: readonly number[], adapters: Adapters): Promise<Score[]> {
    const sampling = Sampling.parse({ temperature: 0, topLogprobs: 1 });
    const scores: Score[] = [];
    for await (const event of this.ask({ prompt, sampling, forced }, adapters)) {
      if (event.type !== 'delta') continue;
      for (const { id, logprob, top } of event.tokens ?? [])
        scores.push({ logprob, isBest: top[0]?.id === id });
    }
    this.signal.throwIfAborted();
    return scores;
  }

  private ask(
    command: Pick<Parameters<BaseHost['generate']>[0], 'prompt' | 'sampling' | 'forced'>,
    adapters: Adapters,
  ) {
    return this.host.generate({ ...command, adapters: [...adapters], seed: 0, n: 1 }, this.signal);
  }
}
