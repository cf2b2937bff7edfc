/**
 * The loss of the first steps at ranks 4, 16 and 64 with the same alpha: under the scale alpha / r it hardly depends on the rank
 * (Schulman et al. 2025). Draws docs/ranks.svg.
 */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as Plot from '@observablehq/plot';
import { parsePeftConfig } from '../adapter/peft-config.ts';
import { openCheckpoint } from '../gpu-runner/model/checkpoint.ts';
import { Batches } from '../gpu-runner/train/data/batches.ts';
import { readInThread } from '../gpu-runner/train/data/dataset-reader.ts';
import { TrainingJob } from '../gpu-runner/train/job.ts';
import { adapterConfig, initialModules, targetModules } from '../gpu-runner/train/lora.ts';
import { Trainer } from '../gpu-runner/train/trainer.ts';
import { TrainingSession } from '../gpu-runner/train/training-session.ts';
import { type Figure, THREADS } from './measure.ts';
import { drawPlot } from './svg.ts';

const RANKS = [4, 16, 64];
const ALPHA = 32;
const RATE = 5e-4;
const STEPS = 60;
/** Steps in which the curves are still one. */
const EARLY = 20;
const TOKENS = 2048;
const root = fileURLToPath(new URL('..', import.meta.url));

interface Point {
  readonly rank: string;
  readonly step: number;
  readonly loss: number;
}

export async function run(): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-ranks-'));
  try {
    const curves = await train(folder);
    await drawPlot('docs/ranks.svg', plotOf(curves.flat()));
    return [{ key: 'early_loss_spread', value: spread(curves), unit: 'share' }];
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A curve for each rank: the same data in the same order, the same rates. */
async function train(folder: string): Promise<Point[][]> {
  await cp(join(root, 'seed/base/patchbay-tiny'), folder, { recursive: true });
  const checkpoint = await openCheckpoint(folder);
  const { config, endTokens } = checkpoint;
  const path = join(folder, 'data.jsonl');
  await writeFile(path, await rows());
  const task = { folder, path, endTokens, maxLength: config.contextLength };
  const { dataset } = await readInThread(task, () => undefined, new AbortController().signal);
  const examples = Array.from({ length: dataset.report.examples }, (_, i) => i);
  const modules = targetModules(config, ['all-linear']);
  const session = await TrainingSession.open(checkpoint, { modules }, { threads: THREADS });
  const trainer = new Trainer(session, TOKENS * RANKS.length);
  const curves = RANKS.map(async (rank) => {
    const batches = new Batches(dataset, examples, {
      batchSize: 32,
      maxTokens: TOKENS,
      packing: false,
      seed: 1,
    });
    const settings = { rank, alpha: ALPHA, rankPattern: {}, alphaPattern: {}, rsLora: false, dora: false };
    const peft = parsePeftConfig(adapterConfig(config, 'patchbay/tiny', modules, settings));
    const job = new TrainingJob(initialModules(config, peft, modules, 1), {
      optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
      schedule: { kind: 'constant', peak: RATE, warmupSteps: 0, steps: STEPS },
      maxGradNorm: 1,
      loraPlusRatio: 1,
    });
    const points: Point[] = [];
    for (let step = 0; step < STEPS; step++) {
      const { loss } = await trainer.step(job, batches.stepAfter(step));
      points.push({ rank: `rank ${rank}`, step: step + 1, loss });
    }
    return points;
  });
  const done = await Promise.all(curves);
  await session.release();
  return done;
}

/** The held-out questions of a shipped adapter, with their answers. */
async function rows(): Promise<string> {
  const text = await readFile(join(root, 'seed/adapters/sql/eval.jsonl'), 'utf8');
  const questions = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { messages: object[]; answer: string });
  return questions
    .map(({ messages, answer }) =>
      JSON.stringify({ messages: [...messages, { role: 'assistant', content: answer }] }),
    )
    .join('\n');
}

/** The largest distance between two curves in the early steps, over the loss there. */
function spread(curves: readonly (readonly Point[])[]): number {
  const at = (step: number) => curves.map((points) => points[step]!.loss);
  const shares = Array.from({ length: EARLY }, (_, step) => {
    const losses = at(step);
    return (Math.max(...losses) - Math.min(...losses)) / Math.min(...losses);
  });
  return Math.max(...shares);
}

function plotOf(points: readonly Point[]): Plot.PlotOptions {
  const highest = Math.max(...points.map(({ loss }) => loss));
  const key = RANKS.map((rank, i) => ({ rank: `rank ${rank}`, loss: highest * (1 - 0.07 * i) }));
  return {
    x: { label: 'step' },
    y: { label: 'training loss', grid: true, zero: true },
    marks: [
      Plot.ruleX([EARLY], { stroke: '#bbb', strokeDasharray: '4 4' }),
      Plot.line(points, { x: 'step', y: 'loss', stroke: 'rank', strokeWidth: 1.5 }),
      // The curves lie too close together for labels of their own.
      Plot.text(key, { x: STEPS, y: 'loss', text: 'rank', fill: 'rank', textAnchor: 'end' }),
    ],
    color: { range: ['#1b6ca8', '#c2571a', '#3b8c4a'] },
  };
}
