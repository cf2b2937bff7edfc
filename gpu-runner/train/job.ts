/**
 * One training job: its matrices, the state of its optimiser, and the batch that it is at. It knows nothing of the other jobs
 * that share the session, nor of files and leases.
 */
import { type AdamWSettings, adamW, clipFactor, globalNorm, type Parameter, parameter } from './adamw.ts';
import { learningRateAt, type Schedule } from './schedule.ts';
import type { Gradients, Group, GroupResult, LoraMatrices, MicroBatch } from './training-session.ts';

/** What one step of the optimiser learns from. */
export interface Step {
  readonly microBatches: readonly MicroBatch[];
  /** The weights of all its targets together: what their losses are divided by, however they are cut into micro-batches. */
  readonly targetWeight: number;
}

export interface JobSettings {
  readonly optimizer: AdamWSettings;
  readonly schedule: Schedule;
  /** Gradients are shortened to this norm. */
  readonly maxGradNorm: number;
  /** LoRA+ (Hayou et al. 2024): the rate of B over the rate of A; 1 is plain LoRA. */
  readonly loraPlusRatio: number;
}

export interface StepReport {
  /** Steps done, 1 after the first. */
  readonly step: number;
  /** Mean over the step's targets, by weight. */
  readonly loss: number;
  /** Share of the targets that the model gave the highest score. */
  readonly accuracy: number;
  readonly targets: number;
  /** Before it was shortened. */
  readonly gradientNorm: number;
  readonly learningRate: number;
}

/** A loss or gradient that is no number. Nothing of the job has changed: its last step stands. */
export class NotFiniteStep extends Error {
  override readonly name = 'NotFiniteStep';
  readonly step: number;

  constructor(step: number, what: string) {
    super(`step ${step}: the ${what} is not a finite number; a lower learning rate may help`);
    this.step = step;
  }
}

interface TrainedModule {
  readonly rank: number;
  readonly scale: number;
  readonly a: Parameter;
  readonly b: Parameter;
  readonly magnitude: Parameter | undefined;
}

export class TrainingJob {
  readonly settings: JobSettings;
  readonly parameters: ReadonlyMap<string, TrainedModule>;
  /** Steps done. */
  step = 0;
  private current: Step | undefined;
  private microBatch = 0;
  private sums = { loss: 0, hits: 0, targets: 0 };
  private gradients: Gradients | undefined;

  constructor(modules: ReadonlyMap<string, LoraMatrices>, settings: JobSettings) {
    this.settings = settings;
    this.parameters = new Map(
      [...modules].map(([path, { rank, scale, a, b, magnitude }]) => [
        path,
        { rank, scale, a: parameter(a), b: parameter(b), magnitude: magnitude && parameter(magnitude) },
      ]),
    );
  }

  get modules(): ReadonlyMap<string, LoraMatrices> {
    return new Map(
      [...this.parameters].map(([path, { rank, scale, a, b, magnitude }]) => [
        path,
        { rank, scale, a: a.value, b: b.value, ...(magnitude ? { magnitude: magnitude.value } : {}) },
      ]),
    );
  }

  get isWithinStep(): boolean {
    return this.current !== undefined;
  }

  begin(step: Step): void {
    if (this.current) throw new Error('the step before is not done');
    this.current = step;
    this.microBatch = 0;
    this.sums = { loss: 0, hits: 0, targets: 0 };
    this.gradients = undefined;
  }

  /** Forgets the step under way: the job is where the step before left it. */
  abandon(): void {
    this.current = undefined;
  }

  /** The next micro-batch of the step, as the session takes it. */
  group(): Group {
    const { microBatches, targetWeight } = this.current!;
    return { batch: microBatches[this.microBatch]!, targetWeight, modules: this.modules };
  }

  /** Takes in the result of `group()`. @returns a report once the step is done. @throws NotFiniteStep */
  receive({ loss, hits, targets, gradients }: GroupResult): StepReport | undefined {
    const { microBatches } = this.current!;
    this.sums = {
      loss: this.sums.loss + loss,
      hits: this.sums.hits + hits,
      targets: this.sums.targets + targets,
    };
    this.gradients = this.gradients ? added(this.gradients, gradients) : gradients;
    if (++this.microBatch < microBatches.length) return undefined;
    return this.update(this.gradients);
  }

  private update(gradients: Gradients): StepReport {
    const { optimizer, schedule, maxGradNorm, loraPlusRatio } = this.settings;
    const { targetWeight } = this.current!;
    this.current = undefined;
    const loss = this.sums.loss / targetWeight;
    const norm = globalNorm([...gradients.values()].flatMap(arraysOf));
    if (!Number.isFinite(loss)) throw new NotFiniteStep(this.step + 1, 'loss');
    if (!Number.isFinite(norm)) throw new NotFiniteStep(this.step + 1, 'gradient');
    const factor = clipFactor(norm, maxGradNorm);
    const learningRate = learningRateAt(schedule, this.step);
    this.step++;
    for (const [path, gradient] of gradients) {
      const { a, b, magnitude } = this.parameters.get(path)!;
      adamW(a, gradient.a, optimizer, { learningRate, step: this.step, factor });
      if (magnitude)
        adamW(magnitude, gradient.magnitude!, optimizer, { learningRate, step: this.step, factor });
      adamW(b, gradient.b, optimizer, {
        learningRate: loraPlusRatio * learningRate,
        step: this.step,
        factor,
      });
    }
    return {
      step: this.step,
      loss,
      accuracy: this.sums.hits / this.sums.targets,
      targets: this.sums.targets,
      gradientNorm: norm,
      learningRate,
    };
  }
}

function added(total: Gradients, more: Gradients): Gradients {
  for (const [path, gradient] of total) {
    const next = arraysOf(more.get(path)!);
    for (const [k, sum] of arraysOf(gradient).entries())
      for (let i = 0; i < sum.length; i++) sum[i]! += next[k]![i]!;
  }
  return total;
}

function arraysOf({ a, b, magnitude }: NonNullable<ReturnType<Gradients['get']>>): Float32Array[] {
  return magnitude ? [a, b, magnitude] : [a, b];
}
