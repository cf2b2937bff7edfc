/** Which tokens of a pass are to be foretold: the head works on these alone, in chunks, whoever they belong to. */
import { type Feed, floats, int64s } from '../session.ts';
import { HEAD_CHUNK, TRAINING_IO as IO } from './training-graph.ts';
import type { Group, LossResult } from './training-session.ts';

/** The places that have a target, over all groups, and what becomes of them. */
export class Targets {
  private readonly groups: readonly Group[];
  /** Places [padded count] among all tokens, filled up to whole chunks by places of weight 0. */
  private readonly places: BigInt64Array;
  private readonly labels: BigInt64Array;
  private readonly scaled: Float32Array;
  private readonly owners: Int32Array;
  private readonly weights: Float32Array;
  private readonly tokens: number;

  constructor(groups: readonly Group[]) {
    this.groups = groups;
    const { rows, length } = groups[0]!.batch;
    this.tokens = groups.length * rows * length;
    const isTarget = ({ batch }: Group, i: number) => batch.targets[i]! >= 0 && batch.weights[i]! !== 0;
    let count = 0;
    for (const group of groups) for (let i = 0; i < rows * length; i++) if (isTarget(group, i)) count++;
    // One more at least: tokens without a target read their gradient, zero, from the filling.
    const padded = HEAD_CHUNK * Math.ceil((count + 1) / HEAD_CHUNK);
    this.places = new BigInt64Array(padded);
    this.labels = new BigInt64Array(padded);
    this.scaled = new Float32Array(padded);
    this.weights = new Float32Array(padded);
    this.owners = new Int32Array(padded).fill(-1);
    let at = 0;
    for (const [g, group] of groups.entries()) {
      for (let i = 0; i < rows * length; i++) {
        if (!isTarget(group, i)) continue;
        this.places[at] = BigInt(g * rows * length + i);
        this.labels[at] = BigInt(group.batch.targets[i]!);
        this.weights[at] = group.batch.weights[i]!;
        this.scaled[at] = group.batch.weights[i]! / group.targetWeight;
        this.owners[at++] = g;
      }
    }
  }

  feeds(): Record<string, Feed> {
    const count = this.places.length;
    const back = new BigInt64Array(this.tokens).fill(BigInt(count - 1));
    for (let at = 0; at < count; at++) if (this.owners[at]! >= 0) back[Number(this.places[at])] = BigInt(at);
    const chunks = [count / HEAD_CHUNK, HEAD_CHUNK, 1];
    return {
      [IO.places]: int64s(this.places, [count]),
      [IO.back]: int64s(back, [this.tokens]),
      [IO.labels]: int64s(this.labels, chunks),
      [IO.weights]: floats(this.scaled, chunks),
    };
  }

  sums(losses: Float32Array, hits: Float32Array): LossResult[] {
    const sums = this.groups.map(() => ({ loss: 0, hits: 0, targets: 0 }));
    for (const [at, owner] of this.owners.entries()) {
      const sum = sums[owner];
      if (!sum) continue;
      sum.loss += this.weights[at]! * losses[at]!;
      sum.hits += hits[at]!;
      sum.targets++;
    }
    return sums;
  }
}
