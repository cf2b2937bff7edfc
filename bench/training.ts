/** Training on the 135M shape, without files and queues: jobs with made-up data, steps of the engine. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { baseTensors } from '../adapter/base-config.ts';
import { parsePeftConfig } from '../adapter/peft-config.ts';
import { type Checkpoint, openCheckpoint } from '../gpu-runner/model/checkpoint.ts';
import type { JobSettings, Step } from '../gpu-runner/train/job.ts';
import { TrainingJob } from '../gpu-runner/train/job.ts';
import { adapterConfig, initialModules, targetModules } from '../gpu-runner/train/lora.ts';
import { TrainingSession } from '../gpu-runner/train/training-session.ts';
import { checkpoint135m, THREADS } from './measure.ts';

export const RANK = 16;

const SETTINGS: JobSettings = {
  optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 },
  schedule: { kind: 'constant', peak: 1e-3, warmupSteps: 0, steps: 1 },
  maxGradNorm: 1,
  loraPlusRatio: 1,
};

export const open135m = async (): Promise<Checkpoint> => openCheckpoint(await checkpoint135m());

/** As a runner opens it that has the memory (planMemory of prepare.ts). */
export function openAdapterSession(
  checkpoint: Checkpoint,
  gradientCheckpointing = false,
): Promise<TrainingSession> {
  const modules = targetModules(checkpoint.config, ['all-linear']);
  return TrainingSession.open(
    checkpoint,
    { modules },
    { threads: THREADS, gradientCheckpointing, packedWeights: true },
  );
}

export function openJob({ config }: Checkpoint, seed: number, rank = RANK): TrainingJob {
  const modules = targetModules(config, ['all-linear']);
  const settings = { rank, alpha: 2 * rank, rankPattern: {}, alphaPattern: {}, rsLora: false, dora: false };
  const peft = parsePeftConfig(adapterConfig(config, 'bench/base', modules, settings));
  return new TrainingJob(initialModules(config, peft, modules, seed), SETTINGS);
}

/** One micro-batch in which every token but the last of a row has a target. */
export function stepOf(rows: number, length: number, vocabulary: number, seed = 1): Step {
  const count = rows * length;
  const tokens = Int32Array.from({ length: count }, (_, i) => 10 + ((i * 7919 + seed) % (vocabulary - 20)));
  const isLast = (i: number) => (i + 1) % length === 0;
  const batch = {
    rows,
    length,
    tokens,
    positions: tokens.map((_, i) => i % length),
    segments: new Int32Array(count).fill(1),
    targets: tokens.map((_, i) => (isLast(i) ? -1 : tokens[i + 1]!)),
    weights: Float32Array.from(tokens, (_, i) => (isLast(i) ? 0 : 1)),
  };
  return { microBatches: [batch], targetWeight: count - rows };
}

/** A whole step of each job, in one pass. */
export async function train(
  session: TrainingSession,
  jobs: readonly TrainingJob[],
  steps: readonly Step[],
): Promise<void> {
  for (const [i, job] of jobs.entries()) job.begin(steps[i]!);
  const results = await session.run(jobs.map((job) => job.group()));
  for (const [i, job] of jobs.entries()) job.receive(results[i]!);
}

/** Every weight of the base, as float32. */
export async function readWeights(checkpoint: Checkpoint): Promise<Map<string, Float32Array>> {
  const weights = new Map<string, Float32Array>();
  for (const name of baseTensors(checkpoint.config).keys()) {
    const { file, offset, length } = checkpoint.weight(name);
    await using handle = await open(join(checkpoint.folder, file));
    const bytes = new Uint8Array(length);
    await handle.read(bytes, 0, length, offset);
    weights.set(name, new Float32Array(bytes.buffer));
  }
  return weights;
}
