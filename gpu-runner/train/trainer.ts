/**
 * Runs the steps of all jobs that train the same modules of the same base. Whoever drives a job asks for one step at a time;
 * steps that are asked for at the same time and have the same shape share a pass over the base. Shapes come from a job's own
 * data, and the sums of a job from its own group, so nobody's bits depend on who else is there.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { secondsSince } from '../../observe/metrics.ts';
import type { Step, StepReport, TrainingJob } from './job.ts';
import type { Group, GroupResult, LossResult, MicroBatch, TrainingPasses } from './training-session.ts';
import { Turns } from './turns.ts';

const TRIAL_SECONDS = 5;

interface Waiting {
  readonly job: TrainingJob;
  readonly done: (report: StepReport) => void;
  readonly failed: (error: unknown) => void;
}

export interface Evaluation {
  readonly loss: number;
  readonly accuracy: number;
}

export class Trainer {
  private readonly session: TrainingPasses;
  /** Tokens of one pass, padding and all jobs together: bounds memory. One job is taken in any case. */
  private readonly maxTokens: number;
  /** Of all trainers of the process: two passes at once would only take the cores from each other. */
  private readonly turns: Turns;
  private waiting: Waiting[] = [];
  private running: Promise<void> | undefined;

  constructor(session: TrainingPasses, maxTokens: number, turns = new Turns()) {
    this.session = session;
    this.maxTokens = maxTokens;
    this.turns = turns;
  }

  /** @throws NotFiniteStep, and whatever the engine says of the batch; other jobs go on */
  step(job: TrainingJob, step: Step): Promise<StepReport> {
    job.begin(step);
    const result = new Promise<StepReport>((done, failed) => this.waiting.push({ job, done, failed }));
    this.running ??= this.runAll().finally(() => {
      this.running = undefined;
    });
    return result;
  }

  /** Runs the first micro-batch of a step, and forgets what came of it. @returns tokens per second, padding included */
  async trial(job: TrainingJob, step: Step): Promise<number> {
    job.begin(step);
    const group = job.group();
    job.abandon();
    const timed = () =>
      this.turns.take(async () => {
        const began = performance.now();
        await this.session.run([group]);
        return secondsSince(began);
      });
    const first = await timed();
    // The first pass of all finds its memory; where that is quickly done, the second tells more.
    const seconds = first < TRIAL_SECONDS ? await timed() : first;
    return (group.batch.rows * group.batch.length) / seconds;
  }

  /**
   * Mean loss and accuracy over batches that nothing is learnt from.
   * @returns undefined where the signal was aborted before the last one
   */
  async evaluate(
    job: TrainingJob,
    batches: readonly MicroBatch[],
    signal: AbortSignal,
  ): Promise<Evaluation | undefined> {
    const sum = { loss: 0, hits: 0, targets: 0, weight: 0 };
    for (const batch of batches) {
      if (signal.aborted) return undefined;
      const group = { batch, targetWeight: 1, modules: job.modules };
      const [result] = await this.turns.take(() => this.session.evaluate([group]));
      const { loss, hits, targets } = result as LossResult;
      sum.loss += loss;
      sum.hits += hits;
      sum.targets += targets;
      sum.weight += batch.weights.reduce((total, weight) => total + weight, 0);
    }
    return { loss: sum.loss / sum.weight, accuracy: sum.hits / sum.targets };
  }

  /** Resolves when no pass is under way, and none is to come. */
  async idle(): Promise<void> {
    await this.running;
  }

  private async runAll(): Promise<void> {
    while (this.waiting.length > 0) {
      await nextTurn(); // those who have just got their report ask for their next step first
      await this.pass(this.takeAlike());
    }
  }

  /** Those that have waited longest, and others of the same shape while there is room. */
  private takeAlike(): Waiting[] {
    const shapeOf = ({ job }: Waiting) => job.group().batch;
    const { rows, length } = shapeOf(this.waiting[0]!);
    const room = Math.max(1, Math.floor(this.maxTokens / (rows * length)));
    const taken = this.waiting
      .filter((one) => shapeOf(one).rows === rows && shapeOf(one).length === length)
      .slice(0, room);
    this.waiting = this.waiting.filter((one) => !taken.includes(one));
    return taken;
  }

  private async pass(taken: readonly Waiting[]): Promise<void> {
    const groups: readonly Group[] = taken.map(({ job }) => job.group());
    let results: GroupResult[];
    try {
      results = await this.turns.take(() => this.session.run(groups));
    } catch (error) {
      if (taken.length > 1) for (const one of taken) await this.pass([one]);
      else this.fail(taken[0]!, error);
      return;
    }
    for (const [i, one] of taken.entries()) {
      try {
        const report = one.job.receive(results[i]!);
        if (report) one.done(report);
        else this.waiting.push(one);
      } catch (error) {
        this.fail(one, error);
      }
    }
  }

  private fail({ job, failed }: Waiting, error: unknown): void {
    job.abandon();
    failed(error);
  }
}
