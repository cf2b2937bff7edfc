/**
 * Rotary position embedding: the angles of every position, with the frequency scalings that checkpoints name.
 * As transformers does, frequencies and angles are rounded to float32 before the cosine, so long contexts agree with it.
 */
import type { BaseConfig } from '../../adapter/base-config.ts';
import { type Feed, floats, int64s } from '../session.ts';
import { ROTARY } from './llama.ts';

/** Radians per position of each pair of dimensions: [headDim / 2]. */
export function inverseFrequencies(config: BaseConfig): Float32Array {
  const half = config.headDim / 2;
  return Float32Array.from({ length: half }, (_, i) => {
    const frequency = Math.fround(1 / Math.fround(config.ropeTheta ** Math.fround(i / half)));
    return scaled(frequency, config.ropeScaling);
  });
}

function scaled(frequency: number, scaling: BaseConfig['ropeScaling']): number {
  if (!scaling) return frequency;
  if (scaling.type === 'linear') return frequency / scaling.factor;
  // Llama 3: long waves are stretched, short ones kept, those between blended.
  const { factor, lowFreqFactor, highFreqFactor, originalContextLength } = scaling;
  const turns = (originalContextLength * frequency) / (2 * Math.PI); // full turns over the original context
  if (turns < lowFreqFactor) return frequency / factor;
  if (turns > highFreqFactor) return frequency;
  const smooth = (turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}

/** Cosines and sines of positions, worked out once each. */
export class RotaryTable {
  private readonly headDim: number;
  private readonly frequencies: Float32Array;
  private cos = new Float32Array(0);
  private sin = new Float32Array(0);
  private readonly rowNumbers = new Map<string, Feed>();

  constructor(config: BaseConfig) {
    this.headDim = config.headDim;
    this.frequencies = inverseFrequencies(config);
  }

  /** What a graph with `rotaryInputs` is fed for tokens [rows, count] at these positions. */
  feeds(positions: ArrayLike<number>, rows: number, count: number): Record<string, Feed> {
    const half = this.headDim / 2;
    const pair = (scale: number): [Feed, Feed] => {
      const cos = new Float32Array(positions.length * half);
      const sin = new Float32Array(positions.length * half);
      this.fill(positions, scale, cos, sin);
      return [floats(cos, [positions.length, half]), floats(sin, [positions.length, half])];
    };
    const [queryCos, querySin] = pair(1 / Math.sqrt(this.headDim));
    const [keyCos, keySin] = pair(1);
    return {
      [ROTARY.rows]: this.rowNumbersOf(rows, count),
      [ROTARY.queryCos]: queryCos,
      [ROTARY.querySin]: querySin,
      [ROTARY.keyCos]: keyCos,
      [ROTARY.keySin]: keySin,
    };
  }

  /** 0, 1, 2, ... as [rows, count]. */
  private rowNumbersOf(rows: number, count: number): Feed {
    const key = `${rows}x${count}`;
    let feed = this.rowNumbers.get(key);
    if (!feed) {
      const numbers = BigInt64Array.from({ length: rows * count }, (_, i) => BigInt(i));
      feed = int64s(numbers, [rows, count]);
      this.rowNumbers.set(key, feed);
    }
    return feed;
  }

  /** Writes the rows of `positions` times `scale` into cos and sin, both [positions.length, headDim / 2]. */
  private fill(positions: ArrayLike<number>, scale: number, cos: Float32Array, sin: Float32Array): void {
    const half = this.frequencies.length;
    for (let row = 0; row < positions.length; row++) {
      const position = positions[row]!;
      this.reach(position);
      for (let i = 0; i < half; i++) {
        cos[row * half + i] = scale * this.cos[position * half + i]!;
        sin[row * half + i] = scale * this.sin[position * half + i]!;
      }
    }
  }

  private reach(position: number): void {
    const half = this.frequencies.length;
    const known = this.cos.length / half;
    if (position < known) return;
    const length = Math.max(256, 2 ** Math.ceil(Math.log2(position + 1)));
    const [cos, sin] = [new Float32Array(length * half), new Float32Array(length * half)];
    cos.set(this.cos);
    sin.set(this.sin);
    for (let p = known; p < length; p++) {
      for (let i = 0; i < half; i++) {
        const angle = Math.fround(p * this.frequencies[i]!);
        cos[p * half + i] = Math.cos(angle);
        sin[p * half + i] = Math.sin(angle);
      }
    }
    this.cos = cos;
    this.sin = sin;
  }
}
