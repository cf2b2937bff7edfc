/**
 * What the update of each module looks like (Hu et al. 2021, section 7): its singular values, how many of them matter, and
 * how much stronger it makes the directions that it acts on. dW = scale * B A is never written down: everything follows from
 * products of rank by rank.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import type { ModuleSpectrum } from '../../functions/verify.ts';
import type { LoadedModule } from '../model/adapter-file.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import { EMBEDDING_MODULE } from '../model/llama.ts';
import { forEachRow } from '../model/weight-rows.ts';

/** Multiplications that the spectrum of an adapter may take, and its amplification factors: some ten seconds each. */
const MAX_PRODUCTS = 1e10;
/** What finding eigenvalues takes, over the cube of the rank. */
const EIGEN = 50;
/** Of the largest eigenvalue: below this, an eigenvalue is what rounding left of zero. */
const NEGLIGIBLE = 1e-12;
/** Singular values that are told of a module. */
const SHOWN = 64;
const ENERGY = 0.99;

/**
 * @returns one entry for each module, none where that would take too long; its amplification is null where it would take too
 * long, or has no meaning
 */
export async function spectrumOf(
  checkpoint: Checkpoint,
  modules: readonly LoadedModule[],
): Promise<ModuleSpectrum[]> {
  const total = (of: (module: LoadedModule) => number) => modules.reduce((sum, one) => sum + of(one), 0);
  if (total(({ a, b, rank }) => rank * (a.length + b.length) + EIGEN * rank ** 3) > MAX_PRODUCTS) return [];
  const products = total(({ a, b, rank }) => a.length * (b.length / rank));
  const spectrum: ModuleSpectrum[] = [];
  for (const module of modules) {
    await nextTurn(); // leases are renewed meanwhile
    const update = decompose(rowProducts(module.a, module.rank), columnProducts(module.b, module.rank));
    const values = update.values.map((value) => Math.abs(module.scale) * value);
    const isLinear = module.module !== EMBEDDING_MODULE;
    const amplified = isLinear && products <= MAX_PRODUCTS && values[0]! > 0;
    spectrum.push({
      module: module.module,
      rank: module.rank,
      singularValues: values.slice(0, SHOWN).map(rounded),
      effectiveRank: rounded(effectiveRank(values)),
      rankFor99: rankForEnergy(values, ENERGY),
      amplification: amplified
        ? rounded(norm(values) / (await strengthInBase(checkpoint, module, update)))
        : null,
    });
  }
  return spectrum;
}

/** A A^T of A [rank, in]. */
function rowProducts(a: Float32Array, rank: number): Matrix {
  const inputs = a.length / rank;
  const gram = Matrix.zeros(rank, rank);
  for (let p = 0; p < rank; p++) {
    for (let q = p; q < rank; q++) {
      let sum = 0;
      for (let i = 0; i < inputs; i++) sum += a[p * inputs + i]! * a[q * inputs + i]!;
      gram.set(p, q, sum).set(q, p, sum);
    }
  }
  return gram;
}

/** B^T B of B [out, rank]. */
function columnProducts(b: Float32Array, rank: number): Matrix {
  const sums = new Float64Array(rank * rank);
  for (let at = 0; at < b.length; at += rank)
    for (let p = 0; p < rank; p++)
      for (let q = 0; q < rank; q++) sums[p * rank + q]! += b[at + p]! * b[at + q]!;
  return Matrix.from1DArray(rank, rank, sums);
}

/** B A = U S V^T with U = B left and V = A^T right. */
interface Decomposition {
  /** [rank], largest first. */
  readonly values: readonly number[];
  /** [rank, k], of the k values that are not zero. */
  readonly left: Matrix;
  readonly right: Matrix;
}

/**
 * With B^T B = E D E^T and D^1/2 E^T (A A^T) E D^1/2 = F S^2 F^T, U = B E D^-1/2 F and V = A^T E D^1/2 F S^-1.
 * @param a A A^T. @param b B^T B
 */
function decompose(a: Matrix, b: Matrix): Decomposition {
  const outer = eigen(b);
  const scaled = outer.vectors.clone();
  for (const [i, value] of outer.values.entries()) scaled.mulColumn(i, Math.sqrt(value));
  const inner = eigen(scaled.transpose().mmul(a).mmul(scaled));
  const unscaled = outer.vectors.clone();
  for (const [i, value] of outer.values.entries()) unscaled.mulColumn(i, 1 / Math.sqrt(value));
  const right = scaled.mmul(inner.vectors);
  for (const [i, value] of inner.values.entries()) right.mulColumn(i, 1 / Math.sqrt(value));
  const values = inner.values.map(Math.sqrt);
  return {
    values: [...values, ...Array<number>(a.rows - values.length).fill(0)],
    left: unscaled.mmul(inner.vectors),
    right,
  };
}

/** Eigenvalues that are not zero, largest first, and their vectors as columns. */
function eigen(symmetric: Matrix): { values: number[]; vectors: Matrix } {
  const { realEigenvalues: all, eigenvectorMatrix } = new EigenvalueDecomposition(symmetric, {
    assumeSymmetric: true,
  });
  const largest = Math.max(...all);
  const kept = [...all.keys()]
    .filter((i) => all[i]! > NEGLIGIBLE * largest)
    .sort((p, q) => all[q]! - all[p]!);
  return { values: kept.map((i) => all[i]!), vectors: eigenvectorMatrix.subMatrixColumn(kept) };
}

/** |U^T W V|: what the base does along the directions of the update. */
async function strengthInBase(
  checkpoint: Checkpoint,
  { module, a, b, rank }: LoadedModule,
  { left, right }: Decomposition,
): Promise<number> {
  const inputs = a.length / rank;
  const inner = new Float64Array(rank * rank); // B^T W A^T
  const image = new Float64Array(rank);
  await forEachRow(checkpoint, `${module}.weight`, inputs, (row, weight) => {
    for (let q = 0; q < rank; q++) {
      let sum = 0;
      for (let i = 0; i < inputs; i++) sum += weight[i]! * a[q * inputs + i]!;
      image[q] = sum;
    }
    for (let p = 0; p < rank; p++)
      for (let q = 0; q < rank; q++) inner[p * rank + q]! += b[row * rank + p]! * image[q]!;
  });
  return left
    .transpose()
    .mmul(Matrix.from1DArray(rank, rank, inner))
    .mmul(right)
    .norm('frobenius');
}

/** exp of the entropy of the values as shares of their sum (Roy and Vetterli 2007). */
export function effectiveRank(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0);
  if (sum === 0) return 0;
  const entropy = values
    .map((value) => value / sum)
    .reduce((total, share) => (share > 0 ? total - share * Math.log(share) : total), 0);
  return Math.exp(entropy);
}

/** How many of the largest keep this share of the sum of squares. */
export function rankForEnergy(values: readonly number[], share: number): number {
  const total = values.reduce((sum, value) => sum + value * value, 0);
  let kept = 0;
  for (const [i, value] of values.entries()) {
    kept += value * value;
    if (kept >= share * total) return i + 1;
  }
  return values.length;
}

const norm = (values: readonly number[]) => Math.hypot(...values);

/** To four digits: nobody reads more, and there are hundreds of modules. */
const rounded = (value: number) => Number(value.toPrecision(4));
