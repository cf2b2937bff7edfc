/**
 * Keys and values of the past, in memory that ONNX Runtime reads without a copy: one array per layer, [rows, kvHeads,
 * places, headDim]. Rows in use are the first ones, so a batch is a prefix of each array. What lies beyond a row's length
 * is zero: a masked place must add exactly nothing, whatever was there before (batch invariance).
 */
import type { BaseConfig } from '../../adapter/base-config.ts';

/** Places are added this many at a time: a step costs what it is fed, not what it uses. */
export const PLACES_STEP = 64;

export type CacheShape = Pick<BaseConfig, 'layers' | 'kvHeads' | 'headDim'>;

export function placesFor(length: number): number {
  return Math.max(1, Math.ceil(length / PLACES_STEP)) * PLACES_STEP;
}

/** Bytes of keys and values of one place in one row. */
export function bytesPerPlace(shape: CacheShape): number {
  return shape.layers * 2 * shape.kvHeads * shape.headDim * Float32Array.BYTES_PER_ELEMENT;
}

export class KeyValueCache {
  readonly shape: CacheShape;
  /** Key of layer 0, value of layer 0, key of layer 1, ... */
  arrays: Float32Array<ArrayBuffer>[];
  rows = 0;
  places = 0;

  constructor(shape: CacheShape, rows: number, places: number) {
    this.shape = shape;
    this.arrays = [];
    this.resize(rows, places);
  }

  get bytes(): number {
    return this.rows * this.places * bytesPerPlace(this.shape);
  }

  get floatsPerRow(): number {
    return this.shape.kvHeads * this.places * this.shape.headDim;
  }

  /** Lays the cache out anew; rows and places that remain keep their contents. */
  resize(rows: number, places: number): void {
    if (rows === this.rows && places === this.places) return;
    const { kvHeads, headDim, layers } = this.shape;
    const kept = Math.min(this.places, places) * headDim;
    const heads = Math.min(this.rows, rows) * kvHeads;
    this.arrays = Array.from({ length: 2 * layers }, (_, i) => {
      const next = new Float32Array(rows * kvHeads * places * headDim);
      const old = this.arrays[i];
      for (let head = 0; old && head < heads; head++) {
        const from = head * this.places * headDim;
        next.set(old.subarray(from, from + kept), head * places * headDim);
      }
      return next;
    });
    this.rows = rows;
    this.places = places;
  }

  /** Row `from` of `source` becomes row `to` of this cache, zero beyond what it held. */
  copyRow(source: KeyValueCache, from: number, to: number): void {
    const { kvHeads, headDim } = this.shape;
    const kept = Math.min(source.places, this.places) * headDim;
    for (let i = 0; i < this.arrays.length; i++) {
      const target = this.arrays[i]!;
      for (let head = 0; head < kvHeads; head++) {
        const start = (from * kvHeads + head) * source.places * headDim;
        const at = (to * kvHeads + head) * this.places * headDim;
        target.set(source.arrays[i]!.subarray(start, start + kept), at);
        target.fill(0, at + kept, at + this.places * headDim);
      }
    }
  }

  /**
   * Writes the new tokens of one row behind its past.
   * @param fresh the graph's `new_key_value`: [batch, kvHeads, 2 * layers, tokens, headDim]
   */
  append(row: number, length: number, fresh: Float32Array, batchRow: number, tokens: number): void {
    const { kvHeads, headDim, layers } = this.shape;
    const count = tokens * headDim;
    for (let head = 0; head < kvHeads; head++) {
      const at = ((row * kvHeads + head) * this.places + length) * headDim;
      let from = (batchRow * kvHeads + head) * 2 * layers * count;
      for (let i = 0; i < 2 * layers; i++, from += count) {
        const target = this.arrays[i]!;
        // One token is 64 to 128 floats: a plain loop is faster than making a view.
        if (tokens === 1) for (let j = 0; j < headDim; j++) target[at + j] = fresh[from + j]!;
        else target.set(fresh.subarray(from, from + count), at);
      }
    }
  }

  clearRow(row: number): void {
    for (const array of this.arrays) array.fill(0, row * this.floatsPerRow, (row + 1) * this.floatsPerRow);
  }
}
