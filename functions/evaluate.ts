/** How well a model answers held-out rows, beside its base: a base alone, a version, or a weighted mix. */
import { z } from 'zod';
import { defineFunction } from './definition.ts';
import { AdapterSource, BaseSource, FileSource } from './generate.ts';
import { Interval } from './verify.ts';

export const EvaluateEvent = z.object({
  base: BaseSource,
  /** None: the base alone. */
  adapters: z.array(AdapterSource).max(8),
  rows: z.object({ file: FileSource, of: z.enum(['user', 'base']) }),
});
export type EvaluateEvent = z.infer<typeof EvaluateEvent>;

const Measure = z.object({
  /** Mean loss of a token, in nats. */
  loss: z.number(),
  /** Rows whose whole answer is the most probable one; with its 95% confidence interval (Wilson). */
  accuracy: Interval,
});

export const EvaluateResult = z.object({
  of: z.enum(['user', 'base']),
  /** Of the file, those that were measured: evenly over it. */
  rows: z.int(),
  /** Tokens that were foretold, once. */
  tokens: z.int(),
  base: Measure,
  /** Null: the base was asked about. */
  model: Measure.nullable(),
  /** How much lower the model's loss is than the base's, mean over rows, with its 95% confidence interval. */
  gain: Interval.nullable(),
});
export type EvaluateResult = z.infer<typeof EvaluateResult>;

export interface EvaluateEngine {
  /** @throws TaskRefusal for rows that cannot be read */
  evaluate(event: EvaluateEvent): Promise<EvaluateResult>;
}

export const evaluate = defineFunction({
  name: 'evaluate',
  trigger: { kind: 'queue' },
  needs: {
    processor: 'gpu',
    memoryMiB: 4096,
    timeoutSeconds: 6 * 3600,
    retries: 2,
    concurrency: 1,
    usualSeconds: 60,
  },
  event: EvaluateEvent,
  result: EvaluateResult,
  handle: (event, engine: EvaluateEngine) => engine.evaluate(event),
});
