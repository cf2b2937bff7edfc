/** Every derivative against central differences of its own operation, run by ONNX Runtime. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Feed, floats, int64s, Session } from '../session.ts';
import { gradients } from './gradients.ts';
import { Graph, type Shape, type Tensor } from './graph.ts';
import { writeOnnx } from './onnx.ts';
import * as op from './operations.ts';

/** A central difference of a float32 result has an error of about 1e-7 / STEP + STEP^2. */
const STEP = 1e-2;
const TOLERANCE = 2e-3;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patchbay-gradients-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Numbers in [-1, 1) that look random and are always the same. */
function values(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

const sizeOf = (shape: Shape) => shape.reduce<number>((product, d) => product * Number(d), 1);

interface Case {
  /** Inputs to differentiate by. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  /** Makes an input's values fit the operation: positive, say. */
  readonly domain?: (x: number) => number;
  readonly build: (graph: Graph, inputs: Readonly<Record<string, Tensor>>) => Tensor;
  readonly feeds?: Readonly<Record<string, Feed>>;
}

async function check({ shapes, build, feeds = {}, domain = (x) => x }: Case): Promise<void> {
  const graph = new Graph();
  const inputs = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, graph.input(name, 'float32', shape)]),
  );
  const y = build(graph, inputs);
  const seed = graph.input('seed', 'float32', y.shape);
  graph.output(y, 'y');
  for (const [i, gradient] of gradients(graph, [[y, seed]], Object.values(inputs)).entries())
    graph.output(gradient, `gradient.${Object.keys(inputs)[i]}`);
  const path = join(folder, 'graph.onnx');
  await writeFile(path, writeOnnx(graph, 'test'));
  const session = await Session.open(path, { threads: 1 });

  const x = Object.fromEntries(
    Object.entries(shapes).map(([name, shape], i) => [name, values(sizeOf(shape), i + 1).map(domain)]),
  );
  const g = values(sizeOf(y.shape), 99);
  const run = async (outputs: readonly string[]) => {
    const given = Object.entries(x).map(([name, data]) => [name, floats(data.slice(), shapes[name]!)]);
    const seeds = { seed: floats(g, y.shape.map(Number)) };
    return session.run({ ...feeds, ...seeds, ...Object.fromEntries(given) }, outputs);
  };
  const objective = async () => {
    const result = (await run(['y']))['y']!.data as Float32Array;
    return result.reduce((sum, value, i) => sum + value * g[i]!, 0);
  };
  for (const [name, shape] of Object.entries(shapes)) {
    const result = (await run([`gradient.${name}`]))[`gradient.${name}`]!;
    expect(result.dims, name).toEqual(shape);
    const data = x[name]!;
    const numeric = new Float32Array(data.length);
    for (let i = 0; i < data.length; i++) {
      const at = data[i]!;
      data[i] = at + STEP;
      const above = await objective();
      data[i] = at - STEP;
      numeric[i] = (above - (await objective())) / (2 * STEP);
      data[i] = at;
    }
    const worst = Math.max(...numeric.map((n, i) => Math.abs(n - (result.data as Float32Array)[i]!)));
    expect(worst, `${name}: largest difference`).toBeLessThan(TOLERANCE);
  }
  await session.release();
}

const angles = values(6, 7);
const rotaryFeeds = {
  rows: int64s(BigInt64Array.of(0n, 1n, 2n), [1, 3]),
  cos: floats(angles.map(Math.cos), [3, 2]),
  sin: floats(angles.map(Math.sin), [3, 2]),
};

const cases: Readonly<Record<string, Case>> = {
  add: { shapes: { a: [2, 3], b: [2, 3] }, build: (g, { a, b }) => op.add(g, a!, b!) },
  'add, with sizes that broadcast': {
    shapes: { a: [2, 1, 3], b: [4, 1] },
    build: (g, { a, b }) => op.add(g, a!, b!),
  },
  sub: { shapes: { a: [2, 3], b: [3] }, build: (g, { a, b }) => op.sub(g, a!, b!) },
  mul: { shapes: { a: [2, 3], b: [2, 1] }, build: (g, { a, b }) => op.mul(g, a!, b!) },
  'mul by itself': { shapes: { a: [4] }, build: (g, { a }) => op.mul(g, a!, a!) },
  div: {
    shapes: { a: [2, 3], b: [3] },
    domain: (x) => 2 + x,
    build: (g, { a, b }) => op.div(g, a!, b!),
  },
  scaleColumns: {
    shapes: { a: [2, 3, 4], b: [2, 1, 4] },
    build: (g, { a, b }) => op.scaleColumns(g, a!, b!),
  },
  'detached: what is multiplied by a constant that depends on it': {
    shapes: { a: [3] },
    build: (g, { a }) => op.add(g, a!, op.mul(g, op.detached(g, op.sub(g, a!, a!)), a!)),
  },
  neg: { shapes: { a: [3] }, build: (g, { a }) => op.neg(g, a!) },
  sqrt: { shapes: { a: [5] }, domain: (x) => 2 + x, build: (g, { a }) => op.sqrt(g, a!) },
  log: { shapes: { a: [5] }, domain: (x) => 2 + x, build: (g, { a }) => op.log(g, a!) },
  sigmoid: { shapes: { a: [7] }, build: (g, { a }) => op.sigmoid(g, a!) },
  silu: { shapes: { a: [7] }, build: (g, { a }) => op.silu(g, a!) },
  'reduceSum, sizes kept': {
    shapes: { a: [2, 3, 2] },
    build: (g, { a }) => op.reduceSum(g, a!, [0, 2], true),
  },
  'reduceSum, sizes dropped': {
    shapes: { a: [2, 3, 2] },
    build: (g, { a }) => op.reduceSum(g, a!, [1], false),
  },
  matmul: { shapes: { a: [2, 3, 4], b: [2, 4, 5] }, build: (g, { a, b }) => op.matmul(g, a!, b!) },
  'matmul by a matrix that rows share': {
    shapes: { a: [2, 3, 4], b: [4, 5] },
    build: (g, { a, b }) => op.matmul(g, a!, b!),
  },
  'matmul, second transposed': {
    shapes: { a: [2, 3, 4], b: [2, 5, 4] },
    build: (g, { a, b }) => op.matmul(g, a!, b!, { transposeB: true }),
  },
  'matmul by a transposed matrix that rows share': {
    shapes: { a: [2, 3, 4], b: [5, 4] },
    build: (g, { a, b }) => op.matmul(g, a!, b!, { transposeB: true }),
  },
  'matmul with leading sizes that broadcast': {
    shapes: { a: [2, 3, 2, 4], b: [2, 1, 5, 4] },
    build: (g, { a, b }) => op.matmul(g, a!, b!, { transposeB: true }),
  },
  transpose: { shapes: { a: [2, 3, 4] }, build: (g, { a }) => op.transpose(g, a!, [2, 0, 1]) },
  reshape: { shapes: { a: [2, 3, 4] }, build: (g, { a }) => op.reshape(g, a!, [2, 12]) },
  reshapeTo: {
    shapes: { a: [2, 3, 4] },
    feeds: { sizes: int64s(BigInt64Array.of(4n, -1n), [2]) },
    build: (g, { a }) => op.reshapeTo(g, a!, g.input('sizes', 'int64', [2]), [4, 6]),
  },
  softmax: { shapes: { a: [3, 5] }, build: (g, { a }) => op.softmax(g, a!) },
  rmsNorm: {
    shapes: { x: [2, 3, 8], scale: [8] },
    build: (g, { x, scale }) => op.rmsNorm(g, x!, scale!, 1e-5),
  },
  rotary: {
    shapes: { x: [1, 3, 8] },
    feeds: rotaryFeeds,
    build: (g, { x }) =>
      op.rotary(
        g,
        x!,
        g.input('rows', 'int64', [1, 3]),
        g.input('cos', 'float32', [3, 2]),
        g.input('sin', 'float32', [3, 2]),
      ),
  },
  'gather, of rows that come more than once': {
    shapes: { table: [4, 3] },
    feeds: { rows: int64s(BigInt64Array.of(2n, 0n, 2n, 2n), [2, 2]) },
    build: (g, { table }) => op.gather(g, table!, g.input('rows', 'int64', [2, 2])),
  },
  pick: {
    shapes: { x: [4, 3] },
    feeds: {
      // The third row picked is multiplied by zero, so its gradient is zero; rows 0 and 2 of x were not picked.
      places: int64s(BigInt64Array.of(3n, 1n, 1n), [3]),
      back: int64s(BigInt64Array.of(2n, 1n, 2n, 0n), [4]),
    },
    build: (g, { x }) => {
      const picked = op.pick(g, x!, g.input('places', 'int64', [3]), g.input('back', 'int64', [4]));
      return op.mul(g, picked, g.constant('float32', [1, 1, 0], [3, 1]));
    },
  },
  'a tensor that is used twice': {
    shapes: { a: [3, 3] },
    build: (g, { a }) => op.matmul(g, op.silu(g, a!), op.softmax(g, a!)),
  },
};

/** Functions of operations.ts that have a rule in them. */
async function operationsWithRules(): Promise<string[]> {
  const source = await readFile(new URL('./operations.ts', import.meta.url), 'utf8');
  const functions = source.matchAll(/^(?:export )?function (\w+)([\s\S]*?)^}/gm);
  const isRule = /\bderivative(: Derivative)? ?[:=] ?\(/;
  return [...functions].flatMap(([, name, body]) => (isRule.test(body!) ? [name!] : []));
}

/** Those that the cases above call. */
async function operationsWithCases(): Promise<ReadonlySet<string>> {
  const source = await readFile(new URL(import.meta.url), 'utf8');
  const [, listed] = /^const cases([\s\S]*?)^};/m.exec(source)!;
  return new Set([...listed!.matchAll(/\bop\.(\w+)\(/g)].map(([, name]) => name!));
}

describe('the derivative of', () => {
  it.each(Object.entries(cases))('%s', (_name, one) => check(one));

  it('every operation that has one is among these', async () => {
    const [rules, tested] = await Promise.all([operationsWithRules(), operationsWithCases()]);
    expect(rules.length).toBeGreaterThan(15);
    expect(rules.filter((name) => !tested.has(name))).toEqual([]);
  });
});

describe('gradients', () => {
  it('are not worked out for what nobody asks about', () => {
    const graph = new Graph();
    const [x, frozen, adapted] = ['x', 'frozen', 'adapted'].map((name) =>
      graph.input(name, 'float32', [4, 4]),
    );
    const below = op.matmul(graph, x!, frozen!);
    const y = op.matmul(graph, op.matmul(graph, below, adapted!), frozen!);
    const before = graph.nodes.length;
    gradients(graph, [[y, graph.input('seed', 'float32', [4, 4])]], [adapted!]);
    expect(graph.nodes.length - before).toBe(2); // through the upper product, and to `adapted`
  });

  it('name the operation that has none', () => {
    const graph = new Graph();
    const x = graph.input('x', 'float32', [4, 4]);
    const y = op.reduceMax(graph, x);
    expect(() => gradients(graph, [[y, y]], [x])).toThrow(/^ReduceMax .* has no derivative$/);
  });

  it('name a tensor that nothing depends on', () => {
    const graph = new Graph();
    const [x, y] = ['x', 'y'].map((name) => graph.input(name, 'float32', [1]));
    expect(() => gradients(graph, [[x!, x!]], [y!])).toThrow('nothing depends on y');
  });
});
