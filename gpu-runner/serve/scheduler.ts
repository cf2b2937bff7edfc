/**
 * Continuous batching: answers join and leave the running batch between steps. Each turn of the loop does at most one
 * chunk of one prompt and then one decode step for everybody, so a long prompt delays the running streams by one chunk. Answers of
 * one request that are admitted together read its prompt once.
 * Of answers that wait, the next one is the tenant's that was given least so far; each tenant's own come in their order. One for
 * which the cache has no room yet is passed by those that fit, so many times and no more.
 *
 * Nobody knows how long an answer will be, so places in the cache are not set aside for the longest one possible. When the
 * running answers outgrow the cache, the one admitted last gives way: it goes back to the head of the queue, and later does
 * the very same steps again (prompt in the same chunks, the tokens it had already chosen one by one). The same steps give
 * the same bits, so its text does not depend on having been interrupted.
 */
import type { Sampling } from '../../functions/generate.ts';
import type { TokenTable } from '../model/token-table.ts';
import type { WeightedAdapter } from './composition.ts';
import { FairQueue } from './fair-queue.ts';
import type { Grammar } from './grammars.ts';
import { type ChosenToken, Sampler } from './sampling.ts';
import type { Sequence, Stepper } from './stepper.ts';
import { TextStream } from './text-stream.ts';

export interface Job {
  /** Whose answer it is: tenants that wait take turns (fair-queue.ts). Absent: all of the runner's own. */
  readonly tenant?: string | undefined;
  readonly prompt: readonly number[];
  readonly adapters: readonly WeightedAdapter[];
  readonly sampling: Sampling;
  readonly seed: number;
  /** Which of the request's answers this is: each draws its own random numbers. */
  readonly answer: number;
  /** What the answer has to be: nothing is chosen, and the log-probabilities tell what the model thinks of it. */
  readonly forced?: readonly number[] | undefined;
  /** Of an answer that is not free in what it says. Called when it is admitted first; closed when it ends. */
  readonly openGrammar?: (() => Grammar) | undefined;
}

/** When an answer came from one part of its way to the next: milliseconds since 1970. */
export interface Timing {
  readonly queued: number;
  /** It had a place in the batch. */
  readonly admitted: number;
  /** Its first token was there. */
  readonly first: number;
  readonly ended: number;
  /** How often it gave way to others, and did its steps again. */
  readonly interruptions: number;
}

export interface Progress {
  /** Text that became safe to show, and the tokens chosen since the last call. */
  delta(text: string, tokens: readonly ChosenToken[]): void;
  finish(reason: 'stop' | 'length', completionTokens: number, timing: Timing): void;
  fail(error: unknown): void;
}

export interface SchedulerLimits {
  /** Prompt and answer together, in tokens: what the model allows and the cache can hold alone. */
  readonly contextLength: number;
  /** Answers decoded together. */
  readonly maxRows: number;
  /** Answers that wait for a row; beyond that the runner is busy. */
  readonly maxWaiting: number;
}

/** How much a new answer counts in the time that answers take. */
const NEWEST_SHARE = 0.1;
/** An answer is admitted when the cache has room for this many more of its tokens: fewer would soon interrupt somebody. */
const HEADROOM_TOKENS = 256;
/** How many may pass an answer that does not fit yet; then all others wait until the running ones have made room for it. */
export const MOST_PASSES = 32;

/** What a token of an answer costs its tenant, in tokens of a prompt: a step of its own, where a prompt's go by the hundred. */
const OUTPUT_COST = 2;
/**
 * Of the places to wait in, a tenant may have this many for each that is free (dynamic thresholds: Choudhury and Hahne 1998): one
 * that floods the queue alone gets four fifths of it, and a second one always finds some.
 */
const MOST_PER_FREE = 4;

export class BusyError extends Error {
  override readonly name = 'BusyError';
}

class Answer {
  readonly job: Job;
  readonly progress: Progress;
  readonly sampler: Sampler;
  readonly text: TextStream;
  /** Tokens it may choose. */
  readonly limit: number;
  /** Tokens it has chosen. */
  readonly tokens: number[] = [];
  sequence: Sequence | undefined;
  /** Prompt tokens in the cache. */
  prefilled = 0;
  /** Chosen tokens in the cache. */
  fed = 0;
  /** When it was submitted, admitted first, and had its first token. */
  readonly queuedAt = performance.now();
  admittedAt: number | undefined;
  firstAt: number | undefined;
  interruptions = 0;
  /** How many were admitted since its turn came and it did not fit; undefined: its turn has not come. */
  passes: number | undefined;
  cancelled = false;
  grammar: Grammar | undefined;
  /** Of its next token, which waits until its grammar says what may be chosen. */
  held: Float32Array | undefined;

  constructor(job: Job, progress: Progress, table: TokenTable, contextLength: number) {
    this.job = job;
    this.progress = progress;
    this.sampler = new Sampler(job.sampling, job.seed, job.answer);
    this.text = new TextStream(table, job.sampling.stop);
    this.limit = Math.min(
      job.forced?.length ?? job.sampling.maxTokens ?? Number.POSITIVE_INFINITY,
      contextLength - job.prompt.length,
    );
  }

  get tenant(): string {
    return this.job.tenant ?? '';
  }

  get timing(): Timing {
    const ended = performance.now();
    const admitted = this.admittedAt ?? ended;
    const since1970 = (at: number) => performance.timeOrigin + at;
    return {
      queued: since1970(this.queuedAt),
      admitted: since1970(admitted),
      first: since1970(this.firstAt ?? ended),
      ended: since1970(ended),
      interruptions: this.interruptions,
    };
  }

  get hasPrompt(): boolean {
    return this.prefilled === this.job.prompt.length;
  }

  /** Whether it will read what the other one has read: of one request, it is the very same prompt. */
  reads({ job: { prompt, adapters } }: Answer): boolean {
    return this.prefilled === 0 && this.job.prompt === prompt && this.job.adapters === adapters;
  }

  /** Places it needs for what is known of it and `more` tokens. */
  places(more: number): number {
    return this.job.prompt.length + Math.min(this.limit, this.tokens.length + more);
  }
}

export class Scheduler {
  private readonly stepper: Stepper;
  private readonly table: TokenTable;
  private readonly endTokens: ReadonlySet<number>;
  private readonly limits: SchedulerLimits;
  private readonly changed: () => void;
  private readonly waiting = new FairQueue<Answer>();
  private admitted: Answer[] = [];
  /** Nobody who waits fits. Those that run only grow, so that stays until one leaves or another one comes. */
  private isFull = false;
  private meanSeconds: number | undefined;
  private loop: Promise<void> | undefined;
  /** Ends a wait of the loop: somebody came, or left. */
  private wake = (): void => undefined;

  /** @param changed called when `running` or `queued` have changed */
  constructor(
    stepper: Stepper,
    table: TokenTable,
    endTokens: Iterable<number>,
    limits: SchedulerLimits,
    changed: () => void = () => undefined,
  ) {
    this.stepper = stepper;
    this.table = table;
    this.endTokens = new Set(endTokens);
    this.limits = limits;
    this.changed = changed;
  }

  get running(): number {
    return this.admitted.length;
  }

  get queued(): number {
    return this.waiting.length;
  }

  /** How long an answer has a place in the batch, lately; undefined: none has ended yet. */
  get answerSeconds(): number | undefined {
    return this.meanSeconds;
  }

  /**
   * Queues answers, all or none. Their prompts are shorter than the context.
   * @returns cancels them; their rows are free before the next step
   * @throws BusyError when the queue is full
   */
  submit(jobs: readonly { job: Job; progress: Progress }[]): () => void {
    const free = this.limits.maxRows - this.admitted.length;
    const places = this.limits.maxWaiting + Math.max(0, free);
    if (this.waiting.length + jobs.length > places)
      throw new BusyError(`${this.waiting.length} answers are waiting already`);
    const waiting = this.waiting.length + jobs.length;
    const tenant = jobs[0]?.job.tenant;
    const own = tenant === undefined ? 0 : this.waiting.lengthOf(tenant);
    if (own > 0 && waiting > free && own + jobs.length > MOST_PER_FREE * (places - waiting))
      throw new BusyError(`${own} answers of yours are waiting already, and others need places too`);
    const answers = jobs.map(
      ({ job, progress }) => new Answer(job, progress, this.table, this.limits.contextLength),
    );
    for (const answer of answers) this.waiting.push(answer);
    this.isFull = false;
    this.loop ??= this.work();
    this.wake();
    return () => {
      for (const answer of answers) answer.cancelled = true;
      this.wake();
    };
  }

  /** Resolves when nothing runs and nothing waits. */
  async idle(): Promise<void> {
    while (this.loop) await this.loop;
  }

  private async work(): Promise<void> {
    // The session blocks this thread while it runs; between steps new requests and cancellations must get in.
    for (;;) {
      await new Promise(setImmediate);
      const woken = new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.dropCancelled();
      this.admit();
      this.changed();
      if (this.admitted.length === 0 && this.waiting.length === 0) {
        this.waiting.reset();
        this.loop = undefined; // in the same turn as the check: whoever submits next starts a new loop
        return;
      }
      this.goOn();
      await this.prefillChunk();
      this.makeRoom();
      await this.decodeStep();
      await this.settled(woken);
    }
  }

  private dropCancelled(): void {
    for (const answer of this.admitted.filter(({ cancelled }) => cancelled)) this.end(answer);
    const isOver = ({ cancelled, grammar }: Answer) => {
      if (cancelled) grammar?.close();
      return cancelled;
    };
    if (this.waiting.drop(isOver)) this.isFull = false;
  }

  private admit(): void {
    while (this.admitted.length < this.limits.maxRows && this.waiting.length > 0 && !this.isFull) {
      const next = this.nextFitting();
      if (!next) {
        this.isFull = true;
        return;
      }
      this.waiting.take(next);
      for (const other of this.waiting.inOrder()) if (other.passes !== undefined) other.passes++;
      if (next.admittedAt === undefined) this.waiting.charge(next.tenant, next.job.prompt.length);
      next.admittedAt ??= performance.now();
      try {
        next.grammar ??= next.job.openGrammar?.();
        next.sequence = this.stepper.open(next.job.adapters);
        this.admitted.push(next);
      } catch (error) {
        next.grammar?.close();
        next.progress.fail(error);
      }
    }
  }

  private nextFitting(): Answer | undefined {
    const waiting = [...this.waiting.inOrder()];
    // One that was interrupted is passed by nobody: somebody reads it.
    const awaited = waiting.find(
      ({ interruptions, passes = 0 }) => interruptions > 0 || passes >= MOST_PASSES,
    );
    for (const answer of awaited ? [awaited] : waiting) {
      if (this.admitted.length === 0 || this.fits([...this.admitted, answer], HEADROOM_TOKENS)) return answer;
      answer.passes ??= 0;
    }
    return undefined;
  }

  private fits(answers: readonly Answer[], more: number): boolean {
    return this.stepper.fits(
      answers.map((answer) => ({ length: answer.places(more), adapters: answer.job.adapters })),
    );
  }

  /** Sends the youngest answers back to the queue until the others can take a step. The eldest always can. */
  private makeRoom(): void {
    while (this.admitted.length > 1 && !this.fits(this.admitted, 1)) {
      const youngest = this.admitted.at(-1)!;
      this.leave(youngest);
      youngest.interruptions++;
      youngest.prefilled = 0;
      youngest.fed = 0;
      youngest.held = undefined;
      this.waiting.pushFirst(youngest);
    }
  }

  private async prefillChunk(): Promise<void> {
    const answer = this.admitted.find(({ hasPrompt }) => !hasPrompt);
    if (!answer) return;
    const { prompt } = answer.job;
    const chunk = prompt.slice(answer.prefilled, answer.prefilled + this.stepper.chunkTokens);
    let logits: Float32Array;
    try {
      logits = await this.stepper.prefill(answer.sequence!, chunk);
    } catch (error) {
      this.fail(answer, error);
      return;
    }
    answer.prefilled += chunk.length;
    if (!answer.hasPrompt) return;
    for (const other of this.admitted.filter((other) => other.reads(answer)))
      this.attempt(other, () => {
        this.stepper.copy(answer.sequence!, other.sequence!);
        other.prefilled = answer.prefilled;
        this.accept(other, logits.slice()); // whoever chooses may change them
      });
    this.attempt(answer, () => this.accept(answer, logits));
  }

  /** What goes wrong for one answer is no matter of the others. */
  private attempt(answer: Answer, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.fail(answer, error);
    }
  }

  /** Answers whose grammars have said meanwhile what may be chosen. */
  private goOn(): void {
    for (const answer of this.admitted) {
      const { held, grammar } = answer;
      if (!held || !(grammar!.allowed || grammar!.failure)) continue;
      answer.held = undefined;
      this.attempt(answer, () => this.accept(answer, held));
    }
  }

  /** Others are never held up; but where all wait for their grammars, there is nothing to do until one of them says something. */
  private async settled(woken: Promise<void>): Promise<void> {
    if (this.admitted.length === 0 || !this.admitted.every(({ held, cancelled }) => held && !cancelled))
      return;
    await Promise.race([woken, ...this.admitted.map(({ grammar }) => grammar!.settled)]);
  }

  private async decodeStep(): Promise<void> {
    const ready = this.admitted.filter(({ hasPrompt, held, cancelled }) => hasPrompt && !held && !cancelled);
    if (ready.length === 0) return;
    let logits: Float32Array[];
    try {
      logits = await this.stepper.decode(
        ready.map(({ sequence }) => sequence!),
        ready.map(({ tokens, fed }) => tokens[fed]!),
      );
    } catch (error) {
      for (const answer of ready) this.fail(answer, error);
      return;
    }
    for (const [i, answer] of ready.entries()) {
      answer.fed++;
      this.attempt(answer, () => this.accept(answer, logits[i]!));
    }
  }

  /** Takes the next token of an answer from its logits, and ends the answer where it ends. */
  private accept(answer: Answer, logits: Float32Array): void {
    if (answer.cancelled) return;
    if (answer.fed < answer.tokens.length) return; // interrupted before: its next token is known
    answer.firstAt ??= performance.now();
    if (answer.tokens.length >= answer.limit) {
      this.finish(answer, 'length');
      return;
    }
    const { grammar } = answer;
    if (grammar?.failure) throw grammar.failure;
    if (grammar && !grammar.allowed) {
      answer.held = logits;
      return;
    }
    const { forced } = answer.job;
    const token = forced
      ? answer.sampler.score(logits, forced[answer.tokens.length]!)
      : answer.sampler.choose(logits, grammar?.allowed);
    answer.tokens.push(token.id);
    this.waiting.charge(answer.tenant, OUTPUT_COST);
    if (!forced && this.endTokens.has(token.id)) {
      this.finish(answer, 'stop');
      return;
    }
    const { text, stopped } = answer.text.push(token.id);
    answer.progress.delta(text, [token]);
    if (stopped) this.finish(answer, 'stop');
    else if (answer.tokens.length >= answer.limit) this.finish(answer, 'length');
    else grammar?.took(token.id);
  }

  private finish(answer: Answer, reason: 'stop' | 'length'): void {
    this.end(answer);
    this.measure(answer);
    const rest = answer.text.end();
    if (rest) answer.progress.delta(rest, []);
    answer.progress.finish(reason, answer.tokens.length, answer.timing);
  }

  private fail(answer: Answer, error: unknown): void {
    this.end(answer);
    if (!answer.cancelled) answer.progress.fail(error);
  }

  private end(answer: Answer): void {
    this.leave(answer);
    answer.grammar?.close();
  }

  private leave(answer: Answer): void {
    this.admitted = this.admitted.filter((other) => other !== answer);
    this.isFull = false;
    if (answer.sequence) this.stepper.close(answer.sequence);
    answer.sequence = undefined;
  }

  private measure({ admittedAt }: Answer): void {
    const seconds = (performance.now() - admittedAt!) / 1000;
    this.meanSeconds ??= seconds;
    this.meanSeconds += NEWEST_SHARE * (seconds - this.meanSeconds);
  }
}
