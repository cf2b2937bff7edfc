/**
 * Which examples a step learns from, and how they are laid out. The order of an epoch follows from the seed and the number of
 * the epoch alone, so a job that is resumed after any step goes on with the data that it would have had.
 */
import { uniform } from '../../random.ts';
import type { Step } from '../job.ts';
import type { MicroBatch } from '../training-session.ts';
import type { Dataset } from './dataset.ts';

/** Rows are padded to a multiple of this: few shapes, of which jobs that run together may share some. */
const LENGTH_MULTIPLE = 16;
/** Examples of so many steps are sorted by length together: little padding, and still a mixed order. */
const BUCKET_STEPS = 16;
/** Streams of random numbers: one for each use, so that none follows from another. */
const SPLIT_STREAM = 1_000_000;
const BUCKET_STREAM = 2_000_000;

export interface BatchSettings {
  /** Examples of a step. */
  readonly batchSize: number;
  /** Tokens of a micro-batch, padding included; a longer example is one of its own. */
  readonly maxTokens: number;
  /** Several examples in a row, which do not see each other: no padding, whatever the lengths. */
  readonly packing: boolean;
  readonly seed: number;
}

/** The steps of all epochs, over some of the examples of a dataset. */
export class Batches {
  readonly stepsPerEpoch: number;
  private readonly dataset: Dataset;
  private readonly examples: readonly number[];
  private readonly settings: BatchSettings;
  private epoch = -1;
  private steps: readonly (readonly number[])[] = [];

  /** @param examples numbers of those that are learnt from */
  constructor(dataset: Dataset, examples: readonly number[], settings: BatchSettings) {
    this.dataset = dataset;
    this.examples = examples;
    this.settings = settings;
    this.stepsPerEpoch = Math.ceil(examples.length / settings.batchSize);
  }

  /** The step after `done` others. */
  stepAfter(done: number): Step {
    const examples = this.examplesAfter(done);
    const microBatches = layOut(this.dataset, examples, this.settings);
    return { microBatches, targetWeight: microBatches.reduce((sum, batch) => sum + weightOf(batch), 0) };
  }

  /** That passes read, padding included, in the first epoch: others differ by little. */
  get tokensPerEpoch(): number {
    const steps = this.stepsOf(0).flatMap((examples) => rowsOf(this.dataset, examples, this.settings));
    return steps.reduce((sum, { rows, length }) => sum + rows.length * length, 0);
  }

  /** Numbers of the examples of the step after `done` others. */
  examplesAfter(done: number): readonly number[] {
    const epoch = Math.floor(done / this.stepsPerEpoch);
    if (epoch !== this.epoch) {
      this.steps = this.stepsOf(epoch);
      this.epoch = epoch;
    }
    return this.steps[done % this.stepsPerEpoch]!;
  }

  private stepsOf(epoch: number): number[][] {
    const { batchSize, packing, seed } = this.settings;
    const order = shuffled(this.examples, seed, epoch);
    if (packing) return chunks(order, batchSize);
    const buckets = chunks(order, batchSize * BUCKET_STEPS).map((bucket) =>
      bucket.toSorted((a, b) => lengthOf(this.dataset, a) - lengthOf(this.dataset, b)),
    );
    return shuffled(
      buckets.flatMap((bucket) => chunks(bucket, batchSize)),
      seed,
      BUCKET_STREAM + epoch,
    );
  }
}

/** Parts the examples in those to learn from and those to measure with. @param share of the latter, at least one of each */
export function split(
  { report }: Dataset,
  share: number,
  seed: number,
): { train: number[]; valid: number[] } {
  const all = Array.from({ length: report.examples }, (_, i) => i);
  const order = shuffled(all, seed, SPLIT_STREAM);
  const held = Math.min(all.length - 1, Math.max(1, Math.round(share * all.length)));
  const ascending = (a: number, b: number) => a - b;
  return { valid: order.slice(0, held).sort(ascending), train: order.slice(held).sort(ascending) };
}

/** Examples in micro-batches of at most so many tokens, those of like length together where they are not packed. */
export function layOut(
  dataset: Dataset,
  examples: readonly number[],
  settings: Pick<BatchSettings, 'maxTokens' | 'packing'>,
): MicroBatch[] {
  return rowsOf(dataset, examples, settings).map(({ rows, length }) => microBatch(dataset, rows, length));
}

/** Examples of each row, and the rows' length, by micro-batch. */
function rowsOf(
  dataset: Dataset,
  examples: readonly number[],
  { maxTokens, packing }: Pick<BatchSettings, 'maxTokens' | 'packing'>,
): { rows: number[][]; length: number }[] {
  const longestFirst = examples.toSorted((a, b) => lengthOf(dataset, b) - lengthOf(dataset, a) || a - b);
  const rows = packing ? packed(dataset, longestFirst) : longestFirst.map((example) => [example]);
  rows.sort((a, b) => rowLength(dataset, b) - rowLength(dataset, a));
  const batches: { rows: number[][]; length: number }[] = [];
  for (let begin = 0; begin < rows.length; ) {
    const length = padded(rowLength(dataset, rows[begin]!));
    const count = Math.max(1, Math.floor(maxTokens / length));
    batches.push({ rows: rows.slice(begin, begin + count), length });
    begin += count;
  }
  return batches;
}

/** Best fit decreasing, into rows as long as the longest example: attention costs the square of a row's length. */
function packed(dataset: Dataset, longestFirst: readonly number[]): number[][] {
  const capacity = padded(lengthOf(dataset, longestFirst[0]!));
  const rows: { examples: number[]; free: number }[] = [];
  for (const example of longestFirst) {
    const length = lengthOf(dataset, example);
    const fitting = rows.filter(({ free }) => free >= length);
    const best = fitting.reduce<(typeof rows)[number] | undefined>(
      (tightest, row) => (tightest && tightest.free <= row.free ? tightest : row),
      undefined,
    );
    if (best) {
      best.examples.push(example);
      best.free -= length;
    } else rows.push({ examples: [example], free: capacity - length });
  }
  return rows.map(({ examples }) => examples);
}

/** A row for each list of examples; the last token of an example is foretold, never read. */
function microBatch(
  { tokens, isTarget, offsets }: Dataset,
  rows: readonly (readonly number[])[],
  length: number,
): MicroBatch {
  const size = rows.length * length;
  const batch = {
    rows: rows.length,
    length,
    tokens: new Int32Array(size),
    positions: new Int32Array(size),
    segments: new Int32Array(size),
    targets: new Int32Array(size).fill(-1),
    weights: new Float32Array(size),
  };
  for (const [row, examples] of rows.entries()) {
    let place = row * length;
    for (const [segment, example] of examples.entries()) {
      const begin = offsets[example]!;
      const last = offsets[example + 1]! - 1;
      for (let i = begin; i < last; i++, place++) {
        batch.tokens[place] = tokens[i]!;
        batch.positions[place] = i - begin;
        batch.segments[place] = segment + 1;
        if (!isTarget[i + 1]) continue;
        batch.targets[place] = tokens[i + 1]!;
        batch.weights[place] = 1;
      }
    }
  }
  return batch;
}

/** Tokens that are read. */
function lengthOf({ offsets }: Dataset, example: number): number {
  return offsets[example + 1]! - offsets[example]! - 1;
}

function rowLength(dataset: Dataset, examples: readonly number[]): number {
  return examples.reduce((sum, example) => sum + lengthOf(dataset, example), 0);
}

const padded = (length: number) => Math.ceil(length / LENGTH_MULTIPLE) * LENGTH_MULTIPLE;

const weightOf = ({ weights }: MicroBatch) => weights.reduce((sum, weight) => sum + weight, 0);

function chunks<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
}

/** Fisher and Yates. */
function shuffled<T>(all: readonly T[], seed: number, stream: number): T[] {
  const order = [...all];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(uniform(seed, stream, i) * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
