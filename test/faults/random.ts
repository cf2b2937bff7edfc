/** Random decisions that a seed repeats. */
import { uniform } from '../../gpu-runner/random.ts';

export class Random {
  private readonly seed: number;
  private readonly stream: number;
  private drawn = 0;

  /** @param stream what is decided; one stream does not move another's numbers */
  constructor(seed: number, stream: number) {
    this.seed = seed;
    this.stream = stream;
  }

  /** From 0 up to 1. */
  next(): number {
    return uniform(this.seed, this.stream, this.drawn++);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  /** From 0 up to `count`, a whole number. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }
}
