/** How far a job has come, and when its validation loss was lowest. */
import { z } from 'zod';

const Saved = z.object({
  trainedTokens: z.int().min(0),
  trainLoss: z.number().nullable(),
  firstLoss: z.number().nullable(),
  bestStep: z.int().nullable(),
  bestLoss: z.number().nullable(),
  evaluationsSinceBest: z.int().min(0),
});

export class Progress {
  trainedTokens = 0;
  /** Of the last step. */
  trainLoss: number | null = null;
  /** Validation loss before the first step. */
  firstLoss: number | null = null;
  bestStep: number | null = null;
  bestLoss: number | null = null;
  private evaluationsSinceBest = 0;

  static parse(bytes: Uint8Array): Progress {
    return Object.assign(new Progress(), Saved.parse(JSON.parse(new TextDecoder().decode(bytes))));
  }

  serialise(): Uint8Array<ArrayBuffer> {
    const { trainedTokens, trainLoss, firstLoss, bestStep, bestLoss, evaluationsSinceBest } = this;
    const saved: z.infer<typeof Saved> = {
      trainedTokens,
      trainLoss,
      firstLoss,
      bestStep,
      bestLoss,
      evaluationsSinceBest,
    };
    return new TextEncoder().encode(JSON.stringify(saved));
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
