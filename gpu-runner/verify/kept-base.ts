/** A base that stays open between two pieces of work, for as long as the next one may want it. */
import type { BaseSource } from '../../functions/generate.ts';
import type { TrainRunnerConfig } from '../config.ts';
import type { Downloads } from '../downloads.ts';
import { OpenBase } from './open-base.ts';

/** A base takes memory: one that nobody needs is closed. */
const KEEP_MS = 30_000;

export class KeptBase implements AsyncDisposable {
  private readonly config: TrainRunnerConfig;
  private readonly downloads: Downloads;
  private base: OpenBase | undefined;
  private usedAt = 0;

  constructor(config: TrainRunnerConfig, downloads: Downloads) {
    this.config = config;
    this.downloads = downloads;
  }

  /** Closes another one first. @throws Fault */
  async open(source: BaseSource, signal: AbortSignal): Promise<OpenBase> {
    if (this.base?.digest !== source.digest || !this.base.host.isAlive) {
      await this[Symbol.asyncDispose]();
      this.base = await OpenBase.open(source, this.downloads, this.config.threads, signal);
    }
    this.used();
    return this.base;
  }

  used(): void {
    this.usedAt = Date.now();
  }

  async closeIfIdle(): Promise<void> {
    if (Date.now() - this.usedAt > KEEP_MS) await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { base } = this;
    this.base = undefined;
    await base?.[Symbol.asyncDispose]();
  }
}
