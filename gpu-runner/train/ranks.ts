/** Jobs of different ranks in one pass: smaller ones are filled up with zeros, which add nothing to any sum. */
import type { Group } from './training-session.ts';

export function widestRank(groups: readonly Group[], path: string): number {
  return Math.max(...groups.map(({ modules }) => modules.get(path)!.rank));
}

/** The matrix [n, from] with `to` columns: the rest cut off, or filled with zeros. */
export function columns(matrix: Float32Array, from: number, to: number): Float32Array {
  if (from === to) return matrix;
  const rows = matrix.length / from;
  const result = new Float32Array(rows * to);
  for (let row = 0; row < rows; row++)
    result.set(matrix.subarray(row * from, row * from + Math.min(from, to)), row * to);
  return result;
}
