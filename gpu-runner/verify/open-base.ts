/** A base that versions are verified against, as long as it is held. */
import type { BaseSource } from '../../functions/generate.ts';
import { BaseHost } from '../base-host.ts';
import type { Downloads } from '../downloads.ts';
import { Fault } from '../faults.ts';
import { type Checkpoint, openCheckpoint } from '../model/checkpoint.ts';
import { Prompts } from '../model/prompts.ts';

const MAX_ROWS = 16;
const MIB = 2 ** 20;
const KV_BYTES = 512 * MIB;
const ADAPTER_BYTES = 512 * MIB;

export class OpenBase implements AsyncDisposable {
  readonly digest: string;
  readonly checkpoint: Checkpoint;
  readonly host: BaseHost;
  private readonly prompts: Prompts;
  private readonly held: DisposableStack;

  private constructor(
    digest: string,
    parts: { checkpoint: Checkpoint; host: BaseHost; prompts: Prompts; held: DisposableStack },
  ) {
    this.digest = digest;
    this.checkpoint = parts.checkpoint;
    this.host = parts.host;
    this.prompts = parts.prompts;
    this.held = parts.held;
  }

  static async open(
    source: BaseSource,
    downloads: Downloads,
    threads: number,
    signal: AbortSignal,
  ): Promise<OpenBase> {
    using stack = new DisposableStack();
    const held = new DisposableStack();
    stack.defer(() => held.dispose());
    const folder = await downloads.base(source, held, signal);
    const checkpoint = await openCheckpoint(folder);
    const host = await BaseHost.open({
      folder,
      threads,
      maxRows: MAX_ROWS,
      maxWaiting: Number.MAX_SAFE_INTEGER, // all of a verification is asked for at once
      kvBytes: KV_BYTES,
      adapterBytes: ADAPTER_BYTES,
    });
    try {
      const prompts = await Prompts.open(folder, host.base.contextLength);
      stack.move();
      return new OpenBase(source.digest, { checkpoint, host, prompts, held });
    } catch (error) {
      await host.close();
      throw error;
    }
  }

  /** As a user's message where there is a chat template, else as it stands. */
  async tokensOf(text: string): Promise<number[]> {
    try {
      return await this.prompts.encode({ kind: 'messages', messages: [{ role: 'user', content: text }] });
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'template_failed') throw error;
      return this.prompts.encode({ kind: 'text', text });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.prompts.close();
    await this.host.close();
    this.held.dispose();
  }
}
