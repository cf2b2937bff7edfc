/** A weight of a checkpoint, row by row, without all of it in memory. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Checkpoint } from './checkpoint.ts';

/** Rows that are in memory at a time, in bytes: bounds memory, whatever the size of the weight. */
const PIECE_BYTES = 4 * 2 ** 20;

/** @param visit called for each row in its order; `values` [inputs] are its own until it returns */
export async function forEachRow(
  checkpoint: Checkpoint,
  name: string,
  inputs: number,
  visit: (row: number, values: Float32Array) => void,
): Promise<void> {
  await forEachPiece(checkpoint, name, inputs, async (first, values) => {
    for (let at = 0; at < values.length; at += inputs)
      visit(first + at / inputs, values.subarray(at, at + inputs));
  });
}

/** @param visit called for several rows at a time, in their order, from row `first` on; `values` [rows, inputs] are its own to keep */
export async function forEachPiece(
  { folder, weight }: Checkpoint,
  name: string,
  inputs: number,
  visit: (first: number, values: Float32Array<ArrayBuffer>) => Promise<void>,
): Promise<void> {
  const { file, offset, length } = weight(name);
  const rowBytes = 4 * inputs;
  const rows = length / rowBytes;
  const atOnce = Math.max(1, Math.floor(PIECE_BYTES / rowBytes));
  await using handle = await open(join(folder, file));
  for (let first = 0; first < rows; first += atOnce) {
    const count = Math.min(atOnce, rows - first);
    const bytes = new Uint8Array(count * rowBytes);
    await handle.read(bytes, 0, bytes.length, offset + first * rowBytes);
    await visit(first, new Float32Array(bytes.buffer));
    await nextTurn(); // streams that are being served go on
  }
}
