/** Fifty steps beside PEFT and PyTorch, from the same matrices over the same data. */
import { open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parsePeftConfig } from '../../adapter/peft-config.ts';
import { moduleScales } from '../../adapter/scale.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import { PARITY_NAMES } from '../testing/parity.ts';
import { copyCheckpoint } from '../testing/training.ts';
import {
  type FixtureRow,
  readAdapters,
  readBatches,
  readFixture,
  type TrainingFixture,
} from '../testing/training-fixtures.ts';
import { adamW, clipFactor, globalNorm, type Parameter, parameter } from './adamw.ts';
import { type JobSettings, type Step, type StepReport, TrainingJob } from './job.ts';
import { adapterConfig, targetModules } from './lora.ts';
import { learningRateAt, type Schedule } from './schedule.ts';
import { Trainer } from './trainer.ts';
import { type LoraMatrices, type MicroBatch, TrainingSession } from './training-session.ts';

const LOSS_TOLERANCE = 1e-4;
const WEIGHT_TOLERANCE = 1e-3;
const SCHEDULE: Schedule = { kind: 'cosine', peak: 1e-3, warmupSteps: 5, steps: 50 };
const OPTIMIZER = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };

/** Sequences of each row of a micro-batch. */
type Layout = readonly (readonly FixtureRow[])[];
const padded = (rows: readonly FixtureRow[]): Layout[] => [rows.map((row) => [row])];
const packed = (rows: readonly FixtureRow[]): Layout[] => [[rows]];
const accumulated = (rows: readonly FixtureRow[]): Layout[] => rows.map((row) => [[row]]);

function microBatch(layout: Layout): MicroBatch {
  const length = Math.max(
    ...layout.map((row) => row.reduce((sum, { tokens }) => sum + tokens.length - 1, 0)),
  );
  const size = layout.length * length;
  const batch = {
    rows: layout.length,
    length,
    tokens: new Int32Array(size),
    positions: new Int32Array(size),
    segments: new Int32Array(size),
    targets: new Int32Array(size).fill(-1),
    weights: new Float32Array(size),
  };
  for (const [row, sequences] of layout.entries()) {
    let place = row * length;
    for (const [segment, { tokens, weights }] of sequences.entries()) {
      for (let i = 0; i + 1 < tokens.length; i++, place++) {
        batch.tokens[place] = tokens[i]!;
        batch.positions[place] = i;
        batch.segments[place] = segment + 1;
        if (weights[i + 1] === 0) continue;
        batch.targets[place] = tokens[i + 1]!;
        batch.weights[place] = weights[i + 1]!;
      }
    }
  }
  return batch;
}

function stepOf(layouts: readonly Layout[]): Step {
  const microBatches = layouts.map(microBatch);
  const weights = microBatches.flatMap((batch) => [...batch.weights]);
  return { microBatches, targetWeight: weights.reduce((sum, weight) => sum + weight, 0) };
}

/** The job of a fixture, with the matrices that PEFT began with. */
function openJob(
  { config }: Checkpoint,
  { lora, ratio }: TrainingFixture,
  tensors: ReadonlyMap<string, Float32Array>,
): TrainingJob {
  const modules = targetModules(config, lora?.target_modules ?? ['all-linear']);
  const peft = adapterConfig(config, 'test/base', modules, {
    rank: 4,
    alpha: 8,
    rankPattern: lora?.rank_pattern ?? {},
    alphaPattern: lora?.alpha_pattern ?? {},
    rsLora: lora?.use_rslora ?? false,
    dora: lora?.use_dora ?? false,
  });
  const scales = moduleScales(parsePeftConfig(peft));
  const initial = new Map(
    modules.map((path): [string, LoraMatrices] => {
      const { rank, scale } = scales(path);
      const of = (letter: string) => tensors.get(`initial/${path}.lora_${letter}`)!;
      const magnitude = tensors.get(`initial/${path}.lora_magnitude_vector`);
      return [path, { rank, scale, a: of('A'), b: of('B'), ...(magnitude ? { magnitude } : {}) }];
    }),
  );
  const settings: JobSettings = {
    optimizer: OPTIMIZER,
    schedule: SCHEDULE,
    maxGradNorm: 1,
    loraPlusRatio: ratio,
  };
  return new TrainingJob(initial, settings);
}

const relative = (value: number, expected: number) => Math.abs(value - expected) / Math.abs(expected);

function expectSameCurve(
  reports: readonly Pick<StepReport, 'loss' | 'gradientNorm' | 'learningRate'>[],
  { steps }: TrainingFixture,
): void {
  expect(reports).toHaveLength(steps.length);
  for (const [i, { loss, norm, rate }] of steps.entries()) {
    const report = reports[i]!;
    expect(relative(report.loss, loss), `loss of step ${i + 1}`).toBeLessThan(LOSS_TOLERANCE);
    expect(relative(report.gradientNorm, norm), `norm of step ${i + 1}`).toBeLessThan(1e-3);
    expect(report.learningRate).toBeCloseTo(rate, 12);
  }
}

async function compare(name: string, layOut: (rows: readonly FixtureRow[]) => Layout[]): Promise<void> {
  const fixture = await readFixture(name);
  const tensors = await readAdapters(name);
  const checkpoint = await copyCheckpoint(fixture.checkpoint);
  const job = openJob(checkpoint, fixture, tensors);
  const trained = { modules: [...job.modules.keys()], dora: fixture.lora?.use_dora ?? false };
  const session = await TrainingSession.open(checkpoint, trained, { threads: 1 });
  const trainer = new Trainer(session, 512);
  try {
    const reports: StepReport[] = [];
    for (const rows of await readBatches()) reports.push(await trainer.step(job, stepOf(layOut(rows))));
    expectSameCurve(reports, fixture);
    let [farthest, compared] = [0, 0];
    for (const [path, { a, b, magnitude }] of job.modules) {
      for (const [part, values] of [
        ['A', a],
        ['B', b],
        ...(magnitude ? ([['magnitude_vector', magnitude]] as const) : []),
      ] as const) {
        const expected = tensors.get(`final/${path}.lora_${part}`)!;
        expect(values.length).toBe(expected.length);
        compared += values.length;
        for (const [i, value] of values.entries())
          farthest = Math.max(farthest, Math.abs(value - expected[i]!));
      }
    }
    expect(compared).toBeGreaterThan(500);
    expect(farthest).toBeLessThan(WEIGHT_TOLERANCE);
  } finally {
    await session.release();
    await rm(dirname(checkpoint.folder), { recursive: true });
  }
}

describe('fifty steps beside PEFT and PyTorch', () => {
  it.each(PARITY_NAMES)('%s', (name) => compare(name, padded));
  it.each(['query-value', 'patterns', 'rslora', 'loraplus', 'dora', 'dora-bias', 'edges'])('%s', (name) =>
    compare(name, padded),
  );
  it('packed into one row, in which no example sees another', () => compare('smollm2', packed));
  it('packed, with a sliding window', () => compare('mistral', packed));
  it('a row at a time, accumulated', () => compare('smollm2', accumulated));
});

describe('ten steps without LoRA, beside PyTorch', () => {
  it.each(['full', 'bias'])('%s', async (name) => {
    const fixture = await readFixture(name);
    const checkpoint = await copyCheckpoint(fixture.checkpoint);
    const session = await TrainingSession.open(
      checkpoint,
      { modules: [], weights: fixture.trained },
      { threads: 1 },
    );
    const parameters = new Map<string, Parameter>();
    for (const tensor of fixture.trained)
      parameters.set(tensor, parameter(await readWeight(checkpoint, tensor)));
    const reports: Pick<StepReport, 'loss' | 'gradientNorm' | 'learningRate'>[] = [];
    for (const [i, rows] of (await readBatches()).slice(0, fixture.steps.length).entries()) {
      const { microBatches, targetWeight } = stepOf(padded(rows));
      const weights = new Map([...parameters].map(([tensor, { value }]) => [tensor, value]));
      const [result] = await session.run([
        { batch: microBatches[0]!, targetWeight, modules: new Map(), weights },
      ]);
      const { loss, weightGradients } = result!;
      const gradientNorm = globalNorm(weightGradients.values());
      const learningRate = learningRateAt(SCHEDULE, i);
      for (const [tensor, gradient] of weightGradients) {
        const factor = clipFactor(gradientNorm, 1);
        adamW(parameters.get(tensor)!, gradient, OPTIMIZER, { learningRate, step: i + 1, factor });
      }
      reports.push({ loss: loss / targetWeight, gradientNorm, learningRate });
    }
    await session.release();
    await rm(dirname(checkpoint.folder), { recursive: true });
    expectSameCurve(reports, fixture);
  });
});

async function readWeight({ folder, weight }: Checkpoint, name: string): Promise<Float32Array> {
  const { file, offset, length } = weight(name);
  await using handle = await open(join(folder, file));
  const { buffer } = await handle.read(new Uint8Array(length), 0, length, offset);
  return new Float32Array(buffer.buffer);
}
