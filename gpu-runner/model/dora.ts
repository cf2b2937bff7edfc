/**
 * DoRA (Liu et al. 2024): W' = m (W + s B A) / |W + s B A|, lengths by rows. Served as y = g (x W^T + s (x A^T) B^T) + bias with
 * the gain g = m / |W + s B A|, which does not change while an adapter is served.
 */
import type { LoadedModule } from './adapter-file.ts';
import type { Checkpoint } from './checkpoint.ts';
import { forEachRow } from './weight-rows.ts';

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
  checkpoint: Checkpoint,
  name: string,
  inputs: number,
  change: (row: number, weight: Float32Array) => Float32Array,
): Promise<Float32Array> {
  const lengths = new Float32Array(checkpoint.weight(name).length / 4 / inputs);
  await forEachRow(checkpoint, name, inputs, (row, values) => {
    lengths[row] = lengthOf(change(row, values));
  });
  return lengths;
}

function lengthOf(vector: Float32Array): number {
  let sum = 0;
  for (const value of vector) sum += value * value;
  return Math.sqrt(sum);
}
