/**
 * Answers of the adapter as it is, to prompts that stay the same: one sees it learn. They come from the serving engine, so
 * they are what users of the adapter would get.
 */
import { createHash } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Sampling } from '../../functions/generate.ts';
import { BaseHost } from '../base-host.ts';
import { Fault } from '../faults.ts';
import { WEIGHTS_FILE } from '../model/adapter-file.ts';
import { Prompts } from '../model/prompts.ts';
import { JobRefusal } from './refusal.ts';

const MAX_TOKENS = 64;
const KV_BYTES = 256 * 2 ** 20;
/** The most probable token each time: what differs between two samples is what was learnt between them. */
const SAMPLING = Sampling.parse({ temperature: 0, maxTokens: MAX_TOKENS });

export interface Sample {
  readonly prompt: string;
  readonly answer: string;
}

export interface SamplesSettings {
  /** Of the checkpoint. */
  readonly folder: string;
  readonly prompts: readonly string[];
  readonly hasTemplate: boolean;
  readonly threads: number;
  /** For the adapter as it is at the moment. */
  readonly workFolder: string;
}

export class Samples implements AsyncDisposable {
  private readonly host: BaseHost;
  private readonly prompts: readonly { text: string; tokens: readonly number[] }[];
  private readonly workFolder: string;

  private constructor(host: BaseHost, prompts: Samples['prompts'], workFolder: string) {
    this.host = host;
    this.prompts = prompts;
    this.workFolder = workFolder;
  }

  /** @throws JobRefusal for a prompt that the base cannot read */
  static async open({
    folder,
    prompts,
    hasTemplate,
    threads,
    workFolder,
  }: SamplesSettings): Promise<Samples> {
    const host = await BaseHost.open({
      folder,
      threads,
      maxRows: prompts.length,
      maxWaiting: 0,
      kvBytes: KV_BYTES,
      adapterBytes: 1, // each is used once
    });
    try {
      const read = await tokensOf(prompts, folder, host.base.contextLength, hasTemplate);
      return new Samples(host, read, workFolder);
    } catch (error) {
      await host.close();
      throw error;
    }
  }

  /** @param weights adapter_model.safetensors; none: what the base answers */
  async answers(
    config: Readonly<Record<string, unknown>>,
    weights: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<Sample[]> {
    if (!weights) return this.ask([], signal);
    const digest = createHash('sha256').update(weights).digest('hex');
    const folder = join(this.workFolder, digest);
    try {
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, WEIGHTS_FILE), weights);
      return await this.ask([{ digest, config, folder, weight: 1 }], signal);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host.close();
  }

  private ask(
    adapters: Parameters<BaseHost['generate']>[0]['adapters'],
    signal: AbortSignal,
  ): Promise<Sample[]> {
    return Promise.all(
      this.prompts.map(async ({ text, tokens }) => {
        let answer = '';
        const command = { prompt: tokens, adapters, sampling: SAMPLING, seed: 0, n: 1 };
        for await (const event of this.host.generate(command, signal))
          if (event.type === 'delta') answer += event.text;
        return { prompt: text, answer };
      }),
    );
  }
}

async function tokensOf(
  texts: readonly string[],
  folder: string,
  contextLength: number,
  hasTemplate: boolean,
): Promise<Samples['prompts']> {
  const prompts = await Prompts.open(folder, contextLength);
  try {
    const read: { text: string; tokens: readonly number[] }[] = [];
    for (const [i, text] of texts.entries()) {
      const prompt = hasTemplate
        ? { kind: 'messages' as const, messages: [{ role: 'user' as const, content: text }] }
        : { kind: 'text' as const, text };
      const tokens = await prompts.encode(prompt).catch((error: unknown) => refuse(i, error));
      if (tokens.length + MAX_TOKENS > contextLength)
        refuse(
          i,
          new Fault(
            'context_length_exceeded',
            `it has ${tokens.length} tokens; the base reads ${contextLength}, its answer included`,
          ),
        );
      read.push({ text, tokens });
    }
    return read;
  } finally {
    await prompts.close();
  }
}

function refuse(index: number, error: unknown): never {
  if (!(error instanceof Fault)) throw error;
  const param = `hyperparameters.sample_prompts.${index}`;
  throw new JobRefusal('invalid_hyperparameters', param, `sample_prompts.${index}: ${error.message}`);
}
