/**
 * Continuous batching: answers join and leave the running batch between steps. Each turn of the loop does at most one
 * chunk of one prompt and then one decode step for everybody, so a long prompt delays the running streams by one chunk.
 * Prompts are taken in the order they came.
 */
import type { Sampling } from '../../functions/generate.ts';
import type { TokenTable } from '../model/token-table.ts';
import { type ChosenToken, Sampler } from './sampling.ts';
import type { WeightedAdapter } from './slabs.ts';
import type { Sequence, Stepper } from './stepper.ts';
import { TextStream } from './text-stream.ts';

export interface Job {
  readonly prompt: readonly number[];
  readonly adapters: readonly WeightedAdapter[];
  readonly sampling: Sampling;
  readonly seed: number;
  /** Which of the request's answers this is: each draws its own random numbers. */
  readonly answer: number;
}

export interface Progress {
  /** Text that became safe to show, and the tokens chosen since the last call. */
  delta(text: string, tokens: readonly ChosenToken[]): void;
  finish(reason: 'stop' | 'length', completionTokens: number): void;
  fail(error: unknown): void;
}

export interface SchedulerLimits {
  /** Answers decoded together. */
  readonly maxRows: number;
  /** Answers that wait for a row; beyond that the runner is busy. */
  readonly maxWaiting: number;
}

export class BusyError extends Error {
  override readonly name = 'BusyError';
}

class Answer {
  readonly job: Job;
  readonly progress: Progress;
  readonly sampler: Sampler;
  readonly text: TextStream;
  readonly limit: number;
  sequence: Sequence | undefined;
  prefilled = 0;
  generated = 0;
  nextToken = -1;
  cancelled = false;

  constructor(job: Job, progress: Progress, table: TokenTable, contextLength: number) {
    this.job = job;
    this.progress = progress;
    this.sampler = new Sampler(job.sampling, job.seed, job.answer);
    this.text = new TextStream(table, job.sampling.stop);
    this.limit = Math.min(
      job.sampling.maxTokens ?? Number.POSITIVE_INFINITY,
      contextLength - job.prompt.length,
    );
  }

  /** Tokens that its cache will hold at most. */
  get reach(): number {
    return this.job.prompt.length + this.limit;
  }
}

export class Scheduler {
  private readonly stepper: Stepper;
  private readonly table: TokenTable;
  private readonly endTokens: ReadonlySet<number>;
  private readonly limits: SchedulerLimits;
  private readonly waiting: Answer[] = [];
  private admitted: Answer[] = [];
  private loop: Promise<void> | undefined;

  constructor(stepper: Stepper, table: TokenTable, endTokens: Iterable<number>, limits: SchedulerLimits) {
    this.stepper = stepper;
    this.table = table;
    this.endTokens = new Set(endTokens);
    this.limits = limits;
  }

  get running(): number {
    return this.admitted.length;
  }

  get queued(): number {
    return this.waiting.length;
  }

  /**
   * Queues answers, all or none.
   * @returns cancels them; their rows are free before the next step
   * @throws BusyError when the queue is full, or when they could never fit the cache
   */
  submit(jobs: readonly { job: Job; progress: Progress }[]): () => void {
    const free = this.limits.maxRows - this.admitted.length;
    if (this.waiting.length + jobs.length > this.limits.maxWaiting + Math.max(0, free)) {
      throw new BusyError(`${this.waiting.length} answers are waiting already`);
    }
    const answers = jobs.map(
      ({ job, progress }) => new Answer(job, progress, this.table, this.stepper.config.contextLength),
    );
    for (const answer of answers) {
      if (!this.stepper.fits([answer.reach]))
        throw new BusyError('the cache cannot hold an answer of this length');
    }
    this.waiting.push(...answers);
    this.loop ??= this.work().finally(() => {
      this.loop = undefined;
    });
    return () => {
      for (const answer of answers) answer.cancelled = true;
    };
  }

  /** Resolves when nothing runs and nothing waits. */
  async idle(): Promise<void> {
    await this.loop;
  }

  private async work(): Promise<void> {
    // The session blocks this thread while it runs; between steps new requests and cancellations must get in.
    for (;;) {
      await new Promise(setImmediate);
      this.dropCancelled();
      this.admit();
      if (this.admitted.length === 0 && this.waiting.length === 0) return;
      await this.prefillChunk();
      await this.decodeStep();
    }
  }

  private dropCancelled(): void {
    for (const answer of this.admitted.filter(({ cancelled }) => cancelled)) this.leave(answer);
    for (let i = this.waiting.length - 1; i >= 0; i--)
      if (this.waiting[i]!.cancelled) this.waiting.splice(i, 1);
  }

  private admit(): void {
    while (this.waiting.length > 0 && this.admitted.length < this.limits.maxRows) {
      const next = this.waiting[0]!;
      if (!this.stepper.fits([...this.admitted, next].map(({ reach }) => reach))) return;
      this.waiting.shift();
      try {
        next.sequence = this.stepper.open(next.job.adapters);
        this.admitted.push(next);
      } catch (error) {
        next.progress.fail(error);
      }
    }
  }

  private async prefillChunk(): Promise<void> {
    const answer = this.admitted.find(({ prefilled, job }) => prefilled < job.prompt.length);
    if (!answer) return;
    const { prompt } = answer.job;
    const chunk = prompt.slice(answer.prefilled, answer.prefilled + this.stepper.chunkTokens);
    try {
      const logits = await this.stepper.prefill(answer.sequence!, chunk);
      answer.prefilled += chunk.length;
      if (answer.prefilled === prompt.length) this.accept(answer, logits);
    } catch (error) {
      this.leave(answer);
      answer.progress.fail(error);
    }
  }

  private async decodeStep(): Promise<void> {
    const ready = this.admitted.filter(({ nextToken, cancelled }) => nextToken >= 0 && !cancelled);
    if (ready.length === 0) return;
    try {
      const logits = await this.stepper.decode(
        ready.map(({ sequence }) => sequence!),
        ready.map(({ nextToken }) => nextToken),
      );
      for (const [i, answer] of ready.entries()) this.accept(answer, logits[i]!);
    } catch (error) {
      for (const answer of ready) {
        this.leave(answer);
        answer.progress.fail(error);
      }
    }
  }

  /** Takes the next token of an answer from its logits, and ends the answer where it ends. */
  private accept(answer: Answer, logits: Float32Array): void {
    if (answer.cancelled) return;
    if (answer.limit <= 0) {
      this.finish(answer, 'length');
      return;
    }
    const token = answer.sampler.choose(logits);
    answer.generated++;
    if (this.endTokens.has(token.id)) {
      this.finish(answer, 'stop');
      return;
    }
    const { text, stopped } = answer.text.push(token.id);
    answer.progress.delta(text, [token]);
    if (stopped) this.finish(answer, 'stop');
    else if (answer.generated >= answer.limit) this.finish(answer, 'length');
    else answer.nextToken = token.id;
  }

  private finish(answer: Answer, reason: 'stop' | 'length'): void {
    this.leave(answer);
    const rest = answer.text.end();
    if (rest) answer.progress.delta(rest, []);
    answer.progress.finish(reason, answer.generated);
  }

  private leave(answer: Answer): void {
    this.admitted = this.admitted.filter((other) => other !== answer);
    if (answer.sequence) this.stepper.close(answer.sequence);
    answer.sequence = undefined;
    answer.nextToken = -1;
  }
}
