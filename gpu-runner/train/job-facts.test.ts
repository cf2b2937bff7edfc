/** What a job tells of itself: its losses, what trained it, and where it ends. */
import { describe, expect, it } from 'vitest';
import type { EngineFacts } from './engine-facts.ts';
import { type Files, LeasedJob } from './leased-job.ts';
import type { JobPlan } from './plan.ts';
import { Trainer } from './trainer.ts';
import type { Group, MicroBatch, TrainingPasses } from './training-session.ts';

const STEPS = 6;
const PATH = 'model.layers.0.self_attn.q_proj';
const batch: MicroBatch = {
  rows: 1,
  length: 2,
  tokens: Int32Array.of(1, 2),
  positions: Int32Array.of(0, 1),
  segments: Int32Array.of(1, 1),
  targets: Int32Array.of(2, -1),
  weights: Float32Array.of(1, 0),
};
const plan: JobPlan = {
  config: {},
  dora: false,
  modules: [PATH],
  initial: new Map([[PATH, { rank: 1, scale: 1, a: new Float32Array(2), b: new Float32Array(2) }]]),
  settings: {
    optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
    schedule: { kind: 'constant', peak: 1e-3, warmupSteps: 0, steps: STEPS },
    maxGradNorm: 1,
    loraPlusRatio: 1,
  },
  steps: STEPS,
  evaluateEvery: 2,
  saveEvery: 3,
  patience: undefined,
};
const engine: EngineFacts = { version: 1, provider: 'cpu', threads: 2, maxTokens: 16 };

/** A session that learns nothing, and says of the validation data what it is told to. */
function sessionWith(losses: readonly number[]): TrainingPasses {
  const left = [...losses];
  const result = { hits: 0, targets: 1 };
  return {
    run: async (groups: readonly Group[]) =>
      groups.map(() => ({
        ...result,
        loss: 1,
        gradients: new Map([[PATH, { a: new Float32Array(2), b: new Float32Array(2) }]]),
        weightGradients: new Map(),
      })),
    evaluate: async () => [{ ...result, loss: left.shift() ?? 1 }],
    release: async () => undefined,
  };
}

function jobWith(losses: readonly number[], facts = engine) {
  const kept = new Map<number, { files: Files; validLoss: number | null }>();
  const messages: string[] = [];
  const job = new LeasedJob({
    leaseId: 'lease',
    plan,
    engine: facts,
    data: {
      stepAfter: () => ({ microBatches: [batch], targetWeight: 1 }),
      linesAfter: () => [1],
      validation: [batch],
    },
    trainer: new Trainer(sessionWith(losses), 16),
    client: {
      checkpoint: async (_lease, { step }, files, metrics) => {
        kept.set(step, { files, validLoss: metrics.valid_loss });
      },
    },
    reporter: {
      action: 'continue',
      progress: {},
      check: () => undefined,
      event: () => undefined,
      flush: async () => undefined,
      message: (message) => messages.push(message),
    },
    samples: undefined,
    filesOf: () => new Map(),
    maxSeconds: Number.POSITIVE_INFINITY,
  });
  return { job, kept, messages };
}
const running = new AbortController().signal;

describe('a job under a lease', () => {
  it('ends where a validation loss is no number, and does not take it for the best', async () => {
    const { job, kept } = jobWith([5, 4, Number.NaN]);
    await expect(job.run(running)).rejects.toThrow(
      /^The validation loss after step 4 is not a finite number; a lower learning rate may help/,
    );
    expect([...kept.keys()]).toEqual([3]);
    expect(job.facts).toMatchObject({ best_step: 2, valid_loss: 4 });
  });

  it('says of a checkpoint what was measured at its step, and nothing of another one', async () => {
    const { job, kept } = jobWith([5, 4, 3, 2]);
    await job.run(running);
    expect([...kept].map(([step, { validLoss }]) => [step, validLoss])).toEqual([
      [3, null],
      [6, 2],
    ]);
  });

  it('that another engine goes on with tells its owner, and has both in its receipt', async () => {
    const first = jobWith([5, 4, Number.NaN]);
    await first.job.run(running).catch(() => undefined);
    const { files } = first.kept.get(3)!;
    expect(first.job.facts).toMatchObject({ engine });
    expect(first.job.facts.engine_changes).toBeUndefined();

    const same = jobWith([4, 4, 4]);
    same.job.restore(files);
    await same.job.run(running);
    expect(same.job.facts.engine_changes).toBeUndefined();

    const other = { ...engine, threads: 4 };
    const second = jobWith([4, 4, 4], other);
    second.job.restore(files);
    await second.job.run(running);
    expect(second.messages).toContainEqual(
      expect.stringMatching(/^Goes on with another .*threads 4 instead of 2/),
    );
    expect(second.job.facts).toMatchObject({ engine, engine_changes: [{ after_step: 3, engine: other }] });
  });
});
