/** How far a job has come, on which engines, and when its validation loss was lowest. */
import { z } from 'zod';
import { differencesOf, EngineFacts } from './engine-facts.ts';

const Saved = z.object({
  trainedTokens: z.int().min(0),
  /** Checkpoints from before they were counted have none. */
  seconds: z.number().min(0).default(0),
  trainLoss: z.number().nullable(),
  firstLoss: z.number().nullable(),
  bestStep: z.int().nullable(),
  bestLoss: z.number().nullable(),
  evaluationsSinceBest: z.int().min(0),
  /** Checkpoints from before it was kept have none. */
  engines: z.array(z.object({ after_step: z.int().min(0), engine: EngineFacts })).default([]),
  evaluationDue: z.boolean().default(false),
});
type Saved = z.infer<typeof Saved>;

export class Progress {
  trainedTokens = 0;
  /** That it was worked on, under all its leases; what no checkpoint kept is worked on anew. */
  seconds = 0;
  /** Of the last step. */
  trainLoss: number | null = null;
  /** Validation loss before the first step. */
  firstLoss: number | null = null;
  bestStep: number | null = null;
  bestLoss: number | null = null;
  /** What trained it, from which step on. */
  engines: Saved['engines'] = [];
  /** The step that it is at is yet to be measured. */
  evaluationDue = true;
  private evaluationsSinceBest = 0;

  static parse(bytes: Uint8Array): Progress {
    return Object.assign(new Progress(), Saved.parse(JSON.parse(new TextDecoder().decode(bytes))));
  }

  serialise(): Uint8Array<ArrayBuffer> {
    const { trainedTokens, seconds, trainLoss, firstLoss, bestStep, bestLoss, evaluationsSinceBest } = this;
    const { evaluationDue, engines } = this;
    const saved: Saved = {
      trainedTokens,
      seconds,
      trainLoss,
      firstLoss,
      bestStep,
      bestLoss,
      evaluationsSinceBest,
      engines,
      evaluationDue,
    };
    return new TextEncoder().encode(JSON.stringify(saved));
  }

  /** @returns how the engine that goes on after so many steps differs from the one before */
  trainedBy(engine: EngineFacts, step: number): string[] {
    const before = this.engines.at(-1)?.engine;
    const others = before ? differencesOf(before, engine) : [];
    if (!before || others.length > 0) this.engines.push({ after_step: step, engine });
    return others.map(
      ({ what, before: was, again }) => `${what} ${again ?? 'none'} instead of ${was ?? 'none'}`,
    );
  }

  /** @returns whether it is the best so far */
  note(step: number, loss: number): boolean {
    if (this.bestLoss !== null && loss >= this.bestLoss) {
      this.evaluationsSinceBest++;
      return false;
    }
    this.bestStep = step;
    this.bestLoss = loss;
    this.evaluationsSinceBest = 0;
    return true;
  }

  /** @param patience evaluations without improvement that are waited for; undefined: any number */
  isDone(patience: number | undefined): boolean {
    return patience !== undefined && this.evaluationsSinceBest >= patience;
  }
}
