/**
 * One job under one lease, from its files to its result. Everything that its next step depends on is in its checkpoints, so a
 * job whose runner died goes on elsewhere and ends as it would have here.
 */
import { createHash } from 'node:crypto';
import { BEST_FILE, JOB_FILE, type KeptCheckpoint, PROGRESS_FILE } from '../../functions/train.ts';
import { count, observe, secondsSince } from '../../observe/metrics.ts';
import { pastSpan } from '../../observe/trace.ts';
import { Fault } from '../faults.ts';
import { restoreJob, saveJob } from './checkpoint.ts';
import { type Conditions, conditionsOf, type EngineFacts } from './engine-facts.ts';
import { NotFiniteStep, type Step, type StepReport, TrainingJob } from './job.ts';
import type { LeaseClient } from './lease-client.ts';
import type { LeaseReporter } from './lease-reporter.ts';
import { adapterWeights } from './lora.ts';
import type { JobPlan } from './plan.ts';
import { Progress } from './progress.ts';
import { JobRefusal } from './refusal.ts';
import type { Sample, Samples } from './samples.ts';
import type { Evaluation, Trainer } from './trainer.ts';
import type { MicroBatch } from './training-session.ts';

/** The data of a job, ready to be learnt from. */
export interface JobData {
  /** The step after `done` others. */
  stepAfter(done: number): Step;
  /** Lines of the training file that it learns from. */
  linesAfter(done: number): readonly number[];
  /** Nothing where nothing is held out. */
  readonly validation: readonly MicroBatch[];
}

export type Files = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

/** As the receipt has them. */
export interface JobFacts {
  readonly steps: number;
  readonly trained_tokens: number;
  /** Of the last step. */
  readonly train_loss: number | null;
  /** Where the validation loss was lowest; null where nothing is held out. */
  readonly best_step: number | null;
  readonly valid_loss: number | null;
  /** Before the first step. */
  readonly first_valid_loss: number | null;
  /** That it began with. */
  readonly engine: EngineFacts;
  /** Where others went on. */
  readonly engine_changes?: Progress['engines'];
}

/** What an adapter consists of, with these weights. */
export type AdapterFiles = (weights: Uint8Array<ArrayBuffer>, facts: JobFacts) => Files;

/** What it tells its owner, and what it hears of it. */
export type JobReporter = Pick<
  LeaseReporter,
  'action' | 'check' | 'event' | 'flush' | 'message' | 'progress'
>;
/** Where its checkpoints are kept. */
type Keeper = Pick<LeaseClient, 'checkpoint'>;

/** So much of its work may be lost at most with its runner. Saved or not, it ends as the same bytes. */
const SAVE_AFTER_MS = 10 * 60_000;

export class LeasedJob {
  private readonly leaseId: string;
  private readonly plan: JobPlan;
  private readonly data: JobData;
  private readonly engine: EngineFacts;
  private readonly trainer: Trainer;
  private readonly client: Keeper;
  private readonly reporter: JobReporter;
  private readonly samples: Samples | undefined;
  private readonly filesOf: AdapterFiles;
  private readonly maxSeconds: number;
  private readonly job: TrainingJob;
  private progress = new Progress();
  /** adapter_model.safetensors as it was when the validation loss was lowest. */
  private best: Uint8Array<ArrayBuffer> | undefined;
  private lastReport: StepReport | undefined;
  /** Of the step that it is at. */
  private lastEvaluation: Evaluation | undefined;
  /** The step that was saved last, and when. */
  private savedAt = 0;
  private savedTime = performance.now();
  /** Until when its time is counted. */
  private countedAt = performance.now();
  private pace = new Pace(0);
  private readonly steps = new StepSpans();

  constructor(parts: {
    leaseId: string;
    plan: JobPlan;
    data: JobData;
    engine: EngineFacts;
    trainer: Trainer;
    client: Keeper;
    reporter: JobReporter;
    samples: Samples | undefined;
    filesOf: AdapterFiles;
    /** That it may be worked on, under all its leases. */
    maxSeconds: number;
  }) {
    this.leaseId = parts.leaseId;
    this.plan = parts.plan;
    this.data = parts.data;
    this.engine = parts.engine;
    this.trainer = parts.trainer;
    this.client = parts.client;
    this.reporter = parts.reporter;
    this.samples = parts.samples;
    this.filesOf = parts.filesOf;
    this.maxSeconds = parts.maxSeconds;
    this.job = new TrainingJob(parts.plan.initial, parts.plan.settings);
  }

  /** Goes back to where the last checkpoint was made. */
  restore(files: Files): void {
    restoreJob(this.job, files.get(JOB_FILE)!);
    this.progress = Progress.parse(files.get(PROGRESS_FILE)!);
    this.best = files.get(BEST_FILE);
    this.savedAt = this.job.step;
    this.reporter.message(`Continues after step ${this.job.step}`);
  }

  /** Measured before it begins. */
  tokensPerSecond(): Promise<number> {
    return this.trainer.trial(this.job, this.data.stepAfter(this.job.step));
  }

  /** That it may still be worked on. */
  get secondsLeft(): number {
    return this.maxSeconds - this.progress.seconds;
  }

  /**
   * @param leave aborted where it is to stop before its end; it is kept as it is then, unless it was cancelled
   * @returns whether it came to its end
   * @throws JobRefusal, LeaseEnded, and whatever the engine or the network says
   */
  async run(leave: AbortSignal): Promise<boolean> {
    this.pace = new Pace(this.job.step);
    this.savedTime = performance.now();
    this.countedAt = performance.now();
    this.noteEngine();
    while (!this.isOver) {
      this.reporter.check();
      this.countTime();
      if (leave.aborted) {
        if (this.reporter.action !== 'cancel') await this.save();
        return false;
      }
      if (this.secondsLeft <= 0) await this.endLate();
      if (this.progress.evaluationDue) await this.evaluate(leave);
      else await this.step();
      if (this.shouldBeSaved) await this.save();
    }
    await this.save();
    await this.reporter.flush();
    return true;
  }

  private countTime(): void {
    const now = performance.now();
    this.progress.seconds += (now - this.countedAt) / 1000;
    this.countedAt = now;
  }

  private async endLate(): Promise<never> {
    await this.save();
    const most = `Training has taken ${inHours(this.progress.seconds)}, and may take ${inHours(this.maxSeconds)}.`;
    throw new JobRefusal(
      'took_too_long',
      null,
      `${most}${this.keptStep} With fewer epochs or rows it ends sooner; a promoted checkpoint can be trained on.`,
    );
  }

  /** Where its owner finds what there is of it. */
  private get keptStep(): string {
    const { step } = this.job;
    return step > 0 ? ` Step ${step} is kept as a checkpoint.` : '';
  }

  private get isOver(): boolean {
    const { evaluationDue } = this.progress;
    const { steps, patience } = this.plan;
    return !evaluationDue && (this.job.step === steps || this.progress.isDone(patience));
  }

  /** By its steps once they are measured; by the clock at any time, for measuring may take long. */
  private get shouldBeSaved(): boolean {
    const isDue = this.job.step % this.plan.saveEvery === 0 && !this.progress.evaluationDue;
    return isDue || performance.now() - this.savedTime > SAVE_AFTER_MS;
  }

  /** What is published: the last state, or the best where some data was held out. */
  get weights(): Uint8Array<ArrayBuffer> {
    return this.best ?? adapterWeights(this.job.modules);
  }

  get facts(): JobFacts {
    const { trainedTokens, trainLoss, bestStep, bestLoss, firstLoss, engines } = this.progress;
    const changes = engines.filter(({ after_step }) => after_step > 0);
    return {
      steps: this.job.step,
      trained_tokens: trainedTokens,
      train_loss: trainLoss,
      best_step: bestStep,
      valid_loss: bestLoss,
      first_valid_loss: firstLoss,
      engine: engines[0]!.engine,
      ...(changes.length > 0 ? { engine_changes: changes } : {}),
    };
  }

  private async step(): Promise<void> {
    const began = performance.now();
    const { steps, evaluateEvery } = this.plan;
    const step = this.data.stepAfter(this.job.step);
    const report = await this.trainer.step(this.job, step).catch((error: unknown) => this.diverged(error));
    const seconds = secondsSince(began);
    const read = tokensOf(step);
    observe('patchbay_training_step_seconds', seconds);
    count('patchbay_training_steps_total');
    count('patchbay_training_tokens_total', read);
    this.steps.took(report.step, read);
    this.lastReport = report;
    this.lastEvaluation = undefined;
    this.progress.trainLoss = report.loss;
    this.progress.trainedTokens += report.targets;
    this.progress.evaluationDue = report.step % evaluateEvery === 0 || report.step === steps;
    this.reporter.progress = {
      step: report.step,
      trainedTokens: this.progress.trainedTokens,
      estimatedFinish: this.pace.finish(report.step, steps).toISOString(),
    };
    this.reporter.event({
      type: 'metrics',
      level: 'info',
      message: `Step ${report.step}/${steps}: training loss=${report.loss.toFixed(4)}`,
      step: report.step,
      data: {
        step: report.step,
        total_steps: steps,
        train_loss: report.loss,
        train_mean_token_accuracy: report.accuracy,
        learning_rate: report.learningRate,
        gradient_norm: report.gradientNorm,
        tokens_per_second: read / seconds,
      },
    });
  }

  /** The step before it is kept, and its owner told where to look. */
  private async diverged(error: unknown): Promise<never> {
    if (!(error instanceof NotFiniteStep)) throw error;
    await this.save();
    const { step } = this.job;
    const lines = `The batch has the lines ${this.data.linesAfter(step).join(', ')} of the training file.`;
    throw new JobRefusal('training_diverged', null, `${error.message}. ${lines}${this.keptStep}`);
  }

  private noteEngine(): void {
    const others = this.progress.trainedBy(this.engine, this.job.step);
    if (others.length > 0)
      this.reporter.message(
        `Goes on with another engine, so that training it again will not come to the same bytes: ${others.join(', ')}`,
        'warn',
      );
  }

  /** How well it does on what is held out, and what it answers: all of it, or nothing where it is to leave. */
  private async evaluate(leave: AbortSignal): Promise<void> {
    const { validation } = this.data;
    const evaluation =
      validation.length > 0 ? await this.trainer.evaluate(this.job, validation, leave) : undefined;
    const tellSamples = leave.aborted ? () => {} : await this.answers(leave);
    if (leave.aborted) return;
    this.progress.evaluationDue = false;
    if (evaluation) this.note(evaluation);
    tellSamples();
  }

  private note(evaluation: Evaluation): void {
    const { loss, accuracy } = evaluation;
    const { step } = this.job;
    if (!Number.isFinite(loss)) throw notFinite(step);
    const when = step === 0 ? 'Before the first step' : `Step ${step}/${this.plan.steps}`;
    const data = { step, valid_loss: loss, valid_mean_token_accuracy: accuracy };
    this.reporter.message(`${when}: validation loss=${loss.toFixed(4)}`, 'info', data);
    if (step === 0) {
      this.progress.firstLoss = loss;
      return;
    }
    this.lastEvaluation = evaluation;
    if (this.progress.note(step, loss)) this.best = adapterWeights(this.job.modules);
    if (this.progress.isDone(this.plan.patience))
      this.reporter.message(
        `The validation loss has not improved since step ${this.progress.bestStep}: training ends, and that step is kept`,
      );
  }

  /** Answers the prompts. @returns what tells of it */
  private async answers(leave: AbortSignal): Promise<() => void> {
    if (!this.samples) return () => {};
    const { step } = this.job;
    const at = `Step ${step}/${this.plan.steps}`;
    const weights = step === 0 ? undefined : adapterWeights(this.job.modules);
    try {
      const samples = await this.samples.answers(this.plan.config, weights, leave);
      return () => {
        for (const sample of samples)
          this.reporter.message(`${at}: ${quoted(sample)}`, 'info', { step, ...sample });
      };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return () => this.reporter.message(`${at}: no sample: ${error.message}`, 'warn', { step });
    }
  }

  private async save(): Promise<void> {
    const { step } = this.job;
    if (step === 0 || step === this.savedAt) return;
    this.countTime();
    const files = new Map([
      [JOB_FILE, saveJob(this.job)],
      [PROGRESS_FILE, this.progress.serialise()],
      ...(this.best ? [[BEST_FILE, this.best] as const] : []),
      // So that it can be asked, and become a version, without a runner: it is an adapter by itself.
      ...this.filesOf(adapterWeights(this.job.modules), { ...this.facts, best_step: null, valid_loss: null }),
    ]);
    await this.reporter.flush();
    await this.client.checkpoint(this.leaseId, { step, files: declared(files) }, files, this.kept());
    this.savedAt = step;
    this.savedTime = performance.now();
    this.steps.end();
  }

  private kept(): KeptCheckpoint {
    const { lastReport: report, lastEvaluation: evaluation } = this;
    return {
      trainedTokens: this.progress.trainedTokens,
      train_loss: report?.loss ?? null,
      train_mean_token_accuracy: report?.accuracy ?? null,
      valid_loss: evaluation?.loss ?? null,
      valid_mean_token_accuracy: evaluation?.accuracy ?? null,
      full_valid_loss: evaluation?.loss ?? null,
      full_valid_mean_token_accuracy: evaluation?.accuracy ?? null,
    };
  }
}

/** Steps in a trace: one entry for all that lie between two checkpoints. */
class StepSpans {
  private began = Date.now();
  private first: number | undefined;
  private last = 0;
  private tokens = 0;

  took(step: number, tokens: number): void {
    this.first ??= step;
    this.last = step;
    this.tokens += tokens;
  }

  end(): void {
    if (this.first === undefined) return;
    const attributes = {
      'patchbay.first_step': this.first,
      'patchbay.last_step': this.last,
      'patchbay.tokens': this.tokens,
    };
    pastSpan('steps', attributes, this.began, Date.now());
    this.began = Date.now();
    this.first = undefined;
    this.tokens = 0;
  }
}

const MAX_QUOTED = 200;

function quoted({ prompt, answer }: Sample): string {
  const short = (text: string) =>
    JSON.stringify(text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}...` : text);
  return `${short(prompt)} is answered with ${short(answer)}`;
}

/** Tokens that a step reads, padding left out. */
function tokensOf({ microBatches }: Step): number {
  return microBatches.reduce(
    (sum, { segments }) => sum + segments.filter((segment) => segment > 0).length,
    0,
  );
}

function inHours(seconds: number): string {
  const hours = Number((seconds / 3600).toFixed(1));
  return `${hours} ${hours === 1 ? 'hour' : 'hours'}`;
}

/** When a job will be done, going on as it has since it was taken up. */
class Pace {
  private readonly beganAt = Date.now();
  private readonly firstStep: number;

  constructor(firstStep: number) {
    this.firstStep = firstStep;
  }

  finish(step: number, steps: number): Date {
    const each = (Date.now() - this.beganAt) / (step - this.firstStep);
    return new Date(Date.now() + each * (steps - step));
  }
}

/** Nothing would ever be worse than a loss that is no number. */
function notFinite(step: number): JobRefusal {
  const when = step > 0 ? `after step ${step}` : 'before the first step';
  const hint =
    step > 0
      ? 'a lower learning rate may help. Checkpoints before it are kept'
      : 'the base overflows on this data';
  const message = `The validation loss ${when} is not a finite number; ${hint}.`;
  return new JobRefusal('training_diverged', null, message);
}

/** What the steps before a checkpoint were run with, where it says so. @param progress its file */
export function conditionsBefore(progress: Uint8Array): Conditions | undefined {
  const last = Progress.parse(progress).engines.at(-1);
  return last && conditionsOf(last.engine);
}

export function declared(files: Files): { path: string; size: number; sha256: string }[] {
  return [...files].map(([path, bytes]) => ({
    path,
    size: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  }));
}
