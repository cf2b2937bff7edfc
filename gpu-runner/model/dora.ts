/**
 * DoRA (Liu et al. 2024): W' = m (W + s B A) / |W + s B A|, lengths by rows. Served as y = g (x W^T + s (x A^T) B^T) + bias with
 * the gain g = m / |W + s B A|, which does not change while an adapter is served.
 */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LoadedModule } from './adapter-file.ts';
import type { Checkpoint } from './checkpoint.ts';

/** Rows of a weight that are in memory at a time, in bytes: bounds memory, whatever the size of the weight. */
const PIECE_BYTES = 4 * 2 ** 20;

/** Gain of each output of an adapted linear: [out]. */
export async function doraGain(checkpoint: Checkpoint, module: LoadedModule & { magnitude: Float32Array }) {
  const { magnitude, scale, rank, a, b } = module;
  const inputs = a.length / rank;
  const adapted = new Float32Array(inputs);
  const lengths = await rowLengths(checkpoint, `${module.module}.weight`, inputs, (row, weight) => {
    adapted.set(weight);
    for (let r = 0; r < rank; r++) {
      const factor = scale * b[row * rank + r]!;
      for (let i = 0; i < inputs; i++) adapted[i]! += factor * a[r * inputs + i]!;
    }
    return adapted;
  });
  return magnitude.map((length, row) => length / lengths[row]!);
}

/** Where DoRA begins: the lengths of the base's own rows, [out]. */
export function initialMagnitude(
  checkpoint: Checkpoint,
  module: string,
  inputs: number,
): Promise<Float32Array> {
  return rowLengths(checkpoint, `${module}.weight`, inputs, (_row, weight) => weight);
}

/** @param change the row whose length counts, made from the weight's */
async function rowLengths(
  { folder, weight }: Checkpoint,
  name: string,
  inputs: number,
  change: (row: number, weight: Float32Array) => Float32Array,
): Promise<Float32Array> {
  const { file, offset, length } = weight(name);
  const rowBytes = 4 * inputs;
  const rows = length / rowBytes;
  const lengths = new Float32Array(rows);
  const atOnce = Math.max(1, Math.floor(PIECE_BYTES / rowBytes));
  await using handle = await open(join(folder, file));
  for (let first = 0; first < rows; first += atOnce) {
    const count = Math.min(atOnce, rows - first);
    const bytes = new Uint8Array(count * rowBytes);
    await handle.read(bytes, 0, bytes.length, offset + first * rowBytes);
    const values = new Float32Array(bytes.buffer);
    for (let row = 0; row < count; row++)
      lengths[first + row] = lengthOf(change(first + row, values.subarray(row * inputs, (row + 1) * inputs)));
    await nextTurn(); // streams that are being served go on
  }
  return lengths;
}

function lengthOf(vector: Float32Array): number {
  let sum = 0;
  for (const value of vector) sum += value * value;
  return Math.sqrt(sum);
}
