/** Jobs for tests: on a fixture's checkpoint, with data that a seed makes up. */
import { cp, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parsePeftConfig } from '../../adapter/peft-config.ts';
import { type Checkpoint, openCheckpoint } from '../model/checkpoint.ts';
import { uniform } from '../random.ts';
import { type JobSettings, type Step, TrainingJob } from '../train/job.ts';
import { adapterConfig, initialModules, type LoraSettings, targetModules } from '../train/lora.ts';
import type { MicroBatch } from '../train/training-session.ts';
import type { PARITY_NAMES } from './parity.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures/parity', import.meta.url));

/** A copy of a fixture's checkpoint: the engine writes files beside one. */
export async function copyCheckpoint(name: (typeof PARITY_NAMES)[number]): Promise<Checkpoint> {
  const folder = join(await mkdtemp(join(tmpdir(), 'patchbay-training-')), name);
  await cp(join(fixtures, name), folder, { recursive: true });
  return openCheckpoint(folder);
}

export function openJob(
  { config }: Checkpoint,
  seed: number,
  changes: Partial<LoraSettings & JobSettings & { modules: readonly string[] }> = {},
): TrainingJob {
  const lora = {
    rank: 4,
    alpha: 8,
    rankPattern: {},
    alphaPattern: {},
    rsLora: false,
    dora: false,
    ...changes,
  };
  const modules = targetModules(config, changes.modules ?? ['all-linear']);
  const peft = parsePeftConfig(adapterConfig(config, 'test/base', modules, lora));
  return new TrainingJob(initialModules(config, peft, modules, seed), {
    optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 },
    schedule: { kind: 'constant', peak: 3e-3, warmupSteps: 0, steps: 100 },
    maxGradNorm: 1,
    loraPlusRatio: 1,
    ...changes,
  });
}

/** Sentences of a made-up language: each token follows from the one before, with some noise, so there is something to learn. */
export function madeUpBatch(seed: number, rows: number, length: number): MicroBatch {
  const count = rows * length;
  const tokens = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const noisy = i % length === 0 || uniform(seed, 1, i) < 0.1;
    tokens[i] = noisy ? 5 + Math.floor(uniform(seed, 2, i) * 200) : 5 + ((tokens[i - 1]! * 7 + 3) % 200);
  }
  const isLast = (i: number) => (i + 1) % length === 0;
  return {
    rows,
    length,
    tokens,
    positions: tokens.map((_, i) => i % length),
    segments: new Int32Array(count).fill(1),
    targets: tokens.map((_, i) => (isLast(i) ? -1 : tokens[i + 1]!)),
    weights: Float32Array.from(tokens, (_, i) => (isLast(i) ? 0 : 1)),
  };
}

export function stepOf(...microBatches: MicroBatch[]): Step {
  const weights = microBatches.flatMap(({ weights }) => [...weights]);
  return { microBatches, targetWeight: weights.reduce((sum, weight) => sum + weight, 0) };
}
