import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Matrix, SVD } from 'ml-matrix';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import type { LoadedModule } from '../model/adapter-file.ts';
import { forEachRow } from '../model/weight-rows.ts';
import { uniform } from '../random.ts';
import { openParity, type ParityModel } from '../testing/parity.ts';
import { effectiveRank, rankForEnergy, spectrumOf } from './spectrum.ts';

const MODULE = 'model.layers.1.self_attn.k_proj';
const RANK = 4;
const SCALE = 2;

let model: ParityModel;
let weight: Matrix;

beforeAll(async () => {
  model = await openParity('smollm2');
  const rows: number[][] = [];
  const inputs = model.checkpoint.config.hiddenSize;
  await forEachRow(model.checkpoint, `${MODULE}.weight`, inputs, (_row, values) => rows.push([...values]));
  weight = new Matrix(rows);
});
afterAll(async () => {
  await model.stepper.release();
  await rm(dirname(model.checkpoint.folder), { recursive: true, force: true });
});

function random(stream: number, length: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => uniform(7, stream, i) - 0.5);
}

function adapter(change: (a: Float32Array, b: Float32Array) => void = () => undefined): LoadedModule {
  const a = random(1, RANK * weight.columns);
  const b = random(2, RANK * weight.rows);
  change(a, b);
  return { module: MODULE, rank: RANK, scale: SCALE, a, b };
}

/** The same by the whole matrix, decomposed. */
function reference({ a, b }: LoadedModule) {
  const update = Matrix.from1DArray(weight.rows, RANK, b)
    .mmul(Matrix.from1DArray(RANK, weight.columns, a))
    .mul(SCALE);
  const {
    diagonal,
    leftSingularVectors: u,
    rightSingularVectors: v,
  } = new SVD(update, { autoTranspose: true });
  const kept = diagonal.flatMap((value, i) => (value > 1e-6 * diagonal[0]! ? [i] : []));
  const projected = u.subMatrixColumn(kept).transpose().mmul(weight).mmul(v.subMatrixColumn(kept));
  return {
    singularValues: diagonal.slice(0, RANK),
    amplification: update.norm('frobenius') / projected.norm('frobenius'),
  };
}

describe('the spectrum of an update is that of the whole matrix', () => {
  it.each<[string, Parameters<typeof adapter>[0]]>([
    ['of full rank', undefined],
    ['with a row of A twice', (a) => a.copyWithin(weight.columns, 0, weight.columns)],
    [
      'with a column of B that is zero',
      (_a, b) => {
        for (let i = 2; i < b.length; i += RANK) b[i] = 0;
      },
    ],
  ])('%s', async (_name, change) => {
    const module = adapter(change);
    const [found] = await spectrumOf(model.checkpoint, [module]);
    const expected = reference(module);
    for (const [i, value] of expected.singularValues.entries())
      expect(Math.abs(found!.singularValues[i]! - value)).toBeLessThan(1e-3 * expected.singularValues[0]!);
    expect(found!.amplification! / expected.amplification).toBeCloseTo(1, 2);
    expect(found).toMatchObject({ module: MODULE, rank: RANK });
  });
});

test('effective rank and the rank for a share of the energy', () => {
  expect(effectiveRank([3, 3, 3, 3])).toBeCloseTo(4, 12);
  expect(effectiveRank([5, 0, 0])).toBeCloseTo(1, 12);
  expect(effectiveRank([0, 0])).toBe(0);
  expect(rankForEnergy([10, 1, 0.1], 0.99)).toBe(1);
  expect(rankForEnergy([10, 2, 0.1], 0.99)).toBe(2);
  expect(rankForEnergy([1, 1, 1, 1], 0.99)).toBe(4);
});
