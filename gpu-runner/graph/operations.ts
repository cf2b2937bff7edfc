/**
 * The operations that our models use, each checking its operands and working out its result's shape. An operation is one
 * function: what it needs to be differentiated (its inputs, outputs and attributes) is in the node that it appends.
 * Formulas: https://onnx.ai/onnx/operators/ ; those of com.microsoft: ONNX Runtime's ContribOperators.md.
 */
import {
  type Attribute,
  type Derivative,
  type Dim,
  type Dtype,
  type Graph,
  GraphError,
  type Shape,
  type Tensor,
} from './graph.ts';

/** TensorProto.DataType. */
const DATA_TYPE = { float32: 1, int64: 7 };

const text = (shape: Shape): string => `[${shape.join(', ')}]`;

function expect(condition: boolean, op: string, detail: string): void {
  if (!condition) throw new GraphError(`${op}: ${detail}`);
}

function sameDtype(op: string, a: Tensor, b: Tensor): Dtype {
  expect(a.dtype === b.dtype, op, `${a.name} is ${a.dtype}, ${b.name} is ${b.dtype}`);
  return a.dtype;
}

/**
 * NumPy broadcasting. Two names, or a name and a number above 1, must be equal: nobody could check them later. A name
 * that ends in `|1` stands for a size that is either the name's or 1 when the graph runs.
 */
export function broadcast(op: string, a: Shape, b: Shape): Dim[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i): Dim => {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x === y || y === 1 || y === `${x}|1`) return x;
    expect(x === 1 || x === `${y}|1`, op, `shapes ${text(a)} and ${text(b)} do not broadcast`);
    return y;
  });
}

/** What is left of a gradient for an operand that was broadcast: its sum over the sizes that the operand does not have. */
function sumTo(graph: Graph, gradient: Tensor, shape: Shape): Tensor {
  const extra = gradient.shape.length - shape.length;
  const leading = Array.from({ length: extra }, (_, i) => i);
  const ones = shape.flatMap((d, i) => (d === 1 && gradient.shape[extra + i] !== 1 ? [extra + i] : []));
  const kept = ones.length > 0 ? reduceSum(graph, gradient, ones, true) : gradient;
  return leading.length > 0 ? reduceSum(graph, kept, leading, false) : kept;
}

export function add(graph: Graph, a: Tensor, b: Tensor): Tensor {
  const out = { dtype: sameDtype('Add', a, b), shape: broadcast('Add', a.shape, b.shape) };
  const derivative: Derivative = ([g]) => [() => sumTo(graph, g!, a.shape), () => sumTo(graph, g!, b.shape)];
  return graph.node('Add', [a, b], [out], {}, { derivative })[0]!;
}

export function sub(graph: Graph, a: Tensor, b: Tensor): Tensor {
  const out = { dtype: sameDtype('Sub', a, b), shape: broadcast('Sub', a.shape, b.shape) };
  const derivative: Derivative = ([g]) => [
    () => sumTo(graph, g!, a.shape),
    () => neg(graph, sumTo(graph, g!, b.shape)),
  ];
  return graph.node('Sub', [a, b], [out], {}, { derivative })[0]!;
}

export function mul(graph: Graph, a: Tensor, b: Tensor): Tensor {
  const out = { dtype: sameDtype('Mul', a, b), shape: broadcast('Mul', a.shape, b.shape) };
  const derivative: Derivative = ([g]) => [
    () => sumTo(graph, mul(graph, g!, b), a.shape),
    () => sumTo(graph, mul(graph, g!, a), b.shape),
  ];
  return graph.node('Mul', [a, b], [out], {}, { derivative })[0]!;
}

/**
 * x [G, T, n] with its columns multiplied by `gain` [G, 1, n]. The gradient of the gain is summed up by a product with ones: ONNX
 * Runtime's ReduceSum adds in another order for one group than for several.
 */
export function scaleColumns(graph: Graph, x: Tensor, gain: Tensor): Tensor {
  const derivative: Derivative = ([g]) => [
    () => mul(graph, g!, gain),
    () => {
      const sizes = [graph.constant('int64', [1, 1]), sizeOf(graph, x, 1)];
      const one = graph.constant('float32', [1], [1, 1, 1]);
      const ones = expand(graph, one, concat(graph, sizes, 0, 3), [1, 1, x.shape[1]!]);
      return matmul(graph, ones, mul(graph, g!, x));
    },
  ];
  return graph.node('Mul', [x, gain], [x], {}, { derivative })[0]!;
}

export function div(graph: Graph, a: Tensor, b: Tensor): Tensor {
  const out = { dtype: sameDtype('Div', a, b), shape: broadcast('Div', a.shape, b.shape) };
  const [y] = graph.node(
    'Div',
    [a, b],
    [out],
    {},
    {
      derivative: ([g]) => [
        () => sumTo(graph, div(graph, g!, b), a.shape),
        () => neg(graph, sumTo(graph, div(graph, mul(graph, g!, y!), b), b.shape)),
      ],
    },
  );
  return y!;
}

/** x under another name; with a derivative of its own, that of whatever lies between `wrt` and x. */
export function identity(
  graph: Graph,
  x: Tensor,
  { derivative, wrt }: { derivative: Derivative; wrt: readonly Tensor[] },
): Tensor {
  return graph.node('Identity', [x], [x], {}, { derivative, wrt })[0]!;
}

/** x as a constant: no gradient goes through it. */
export function detached(graph: Graph, x: Tensor): Tensor {
  return identity(graph, x, { derivative: () => [], wrt: [] });
}

export function neg(graph: Graph, x: Tensor): Tensor {
  return graph.node('Neg', [x], [x], {}, { derivative: ([g]) => [() => neg(graph, g!)] })[0]!;
}

export function sqrt(graph: Graph, x: Tensor): Tensor {
  const half = graph.constant('float32', [0.5], []);
  const [y] = graph.node(
    'Sqrt',
    [x],
    [x],
    {},
    {
      derivative: ([g]) => [() => div(graph, mul(graph, g!, half), y!)],
    },
  );
  return y!;
}

export function log(graph: Graph, x: Tensor): Tensor {
  return graph.node('Log', [x], [x], {}, { derivative: ([g]) => [() => div(graph, g!, x)] })[0]!;
}

export function sigmoid(graph: Graph, x: Tensor): Tensor {
  const [y] = graph.node(
    'Sigmoid',
    [x],
    [x],
    {},
    {
      derivative: ([g]) => [() => mul(graph, g!, sub(graph, y!, mul(graph, y!, y!)))],
    },
  );
  return y!;
}

/** x * sigmoid(x), the gate of SwiGLU. QuickGelu with alpha 1 is this in one pass over memory. */
export function silu(graph: Graph, x: Tensor): Tensor {
  const attributes = { alpha: { float: 1 } };
  const [y] = graph.node('QuickGelu', [x], [x], attributes, {
    domain: 'com.microsoft',
    // y' = s + y (1 - s), s = sigmoid(x)
    derivative: ([g]) => [
      () => {
        const s = sigmoid(graph, x);
        return mul(graph, g!, sub(graph, add(graph, s, y!), mul(graph, y!, s)));
      },
    ],
  });
  return y!;
}

function reduced(shape: Shape, axes: readonly number[], keep: boolean): Dim[] {
  return shape.flatMap((d, i): Dim[] => (axes.includes(i) ? (keep ? [1] : []) : [d]));
}

export function reduceSum(graph: Graph, x: Tensor, axes: readonly number[], keep: boolean): Tensor {
  const out = { dtype: x.dtype, shape: reduced(x.shape, axes, keep) };
  const inputs = [x, graph.constant('int64', axes)];
  return graph.node(
    'ReduceSum',
    inputs,
    [out],
    { keepdims: keep ? 1 : 0 },
    {
      derivative: ([g]) => [
        () => {
          const kept = keep
            ? g!
            : reshapeTo(graph, g!, shapeOf(graph, x, axes), reduced(x.shape, axes, true));
          return expand(graph, kept, shapeOf(graph, x), x.shape);
        },
        null,
      ],
    },
  )[0]!;
}

/** Of the last axis, which keeps size 1. */
export function reduceMean(graph: Graph, x: Tensor): Tensor {
  const last = x.shape.length - 1;
  const out = { dtype: x.dtype, shape: reduced(x.shape, [last], true) };
  return graph.node('ReduceMean', [x, graph.constant('int64', [last])], [out], { keepdims: 1 })[0]!;
}

/** Of the last axis, which keeps size 1. */
export function reduceMax(graph: Graph, x: Tensor): Tensor {
  const last = x.shape.length - 1;
  const out = { dtype: x.dtype, shape: reduced(x.shape, [last], true) };
  return graph.node('ReduceMax', [x, graph.constant('int64', [last])], [out], { keepdims: 1 })[0]!;
}

function expand(graph: Graph, x: Tensor, size: Tensor, shape: Shape): Tensor {
  return graph.node('Expand', [x, size], [{ dtype: x.dtype, shape }])[0]!;
}

/** The sizes of x as int64 [rank], those of the axes in `ones` as 1. */
function shapeOf(graph: Graph, x: Tensor, ones: readonly number[] = []): Tensor {
  if (ones.length === 0) return graph.node('Shape', [x], [{ dtype: 'int64', shape: [x.shape.length] }])[0]!;
  const sizes = x.shape.map((_, i) =>
    ones.includes(i) ? graph.constant('int64', [1]) : sizeOf(graph, x, i),
  );
  return concat(graph, sizes, 0, sizes.length);
}

export interface MatmulOptions {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

/** a [..., m, k] times b [..., k, n]; `transposeA`: a is [..., k, m]; `transposeB`: b is [..., n, k]. Leading sizes broadcast. */
export function matmul(graph: Graph, a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const { transposeA = false, transposeB = false } = options;
  const fused = transposeA || transposeB;
  const op = fused ? 'FusedMatMul' : 'MatMul';
  const [m, k] = transposeA ? [a.shape.at(-1), a.shape.at(-2)] : [a.shape.at(-2), a.shape.at(-1)];
  const [kb, n] = transposeB ? [b.shape.at(-1), b.shape.at(-2)] : [b.shape.at(-2), b.shape.at(-1)];
  expect(k === kb, op, `${text(a.shape)} of ${a.name} and ${text(b.shape)} of ${b.name} do not multiply`);
  const shape = [...broadcast(op, a.shape.slice(0, -2), b.shape.slice(0, -2)), m!, n!];
  const outputs = [{ dtype: sameDtype(op, a, b), shape }];
  const attributes: Record<string, Attribute> = fused
    ? { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0, alpha: { float: 1 } }
    : {};
  const derivative: Derivative = ([g]) => {
    expect(!transposeA, op, 'no derivative with a transposed first operand');
    return [
      () => sumTo(graph, matmul(graph, g!, b, { transposeB: !transposeB }), a.shape),
      () => {
        // A matrix that every row shares: the rows are one matrix too.
        const [left, right] = b.shape.length === 2 ? [asMatrix(graph, a), asMatrix(graph, g!)] : [a, g!];
        const gradient = transposeB
          ? matmul(graph, right, left, { transposeA: true })
          : matmul(graph, left, right, { transposeA: true });
        return sumTo(graph, gradient, b.shape);
      },
    ];
  };
  return graph.node(op, [a, b], outputs, attributes, {
    domain: fused ? 'com.microsoft' : '',
    derivative,
  })[0]!;
}

/** [..., n] -> [rows, n] */
export function asMatrix(graph: Graph, x: Tensor): Tensor {
  if (x.shape.length === 2) return x;
  const width = x.shape.at(-1)!;
  const target = graph.constant('int64', [-1, Number(width)]);
  return reshapeTo(graph, x, target, [x.shape.slice(0, -1).join(' '), width]);
}

export function transpose(graph: Graph, x: Tensor, permutation: readonly number[]): Tensor {
  expect(
    permutation.length === x.shape.length,
    'Transpose',
    `${text(permutation)} does not permute ${text(x.shape)}`,
  );
  return graph.node(
    'Transpose',
    [x],
    [{ dtype: x.dtype, shape: permutation.map((axis) => x.shape[axis]!) }],
    { perm: permutation },
    {
      derivative: ([g]) => [
        () =>
          transpose(
            graph,
            g!,
            permutation.map((_, i) => permutation.indexOf(i)),
          ),
      ],
    },
  )[0]!;
}

/** At most one size may be a name that the leading sizes of x do not hold at the same place: it is worked out at run time. */
export function reshape(graph: Graph, x: Tensor, shape: Shape): Tensor {
  let inferred = 0;
  const sizes = shape.map((dim, i) => {
    if (typeof dim === 'number') return dim;
    if (x.shape[i] === dim) return 0; // 0: keep the size at this place
    inferred++;
    return -1;
  });
  expect(
    inferred <= 1,
    'Reshape',
    `more than one size of ${text(shape)} cannot be worked out from ${text(x.shape)}`,
  );
  const known = (dims: Shape) =>
    dims.reduce<number>((product, d) => product * (typeof d === 'number' ? d : 1), 1);
  const names = (dims: Shape) =>
    dims
      .filter((d) => typeof d === 'string')
      .sort()
      .join();
  expect(
    names(x.shape) !== names(shape) || known(x.shape) === known(shape),
    'Reshape',
    `${text(x.shape)} of ${x.name} does not hold as many values as ${text(shape)}`,
  );
  return reshapeTo(graph, x, graph.constant('int64', sizes), shape);
}

/** x with the sizes that `target` (int64 [rank]) holds at run time, -1 for one that follows from the others; `shape` names them. */
export function reshapeTo(graph: Graph, x: Tensor, target: Tensor, shape: Shape): Tensor {
  const derivative: Derivative = ([g]) => [() => reshapeTo(graph, g!, shapeOf(graph, x), x.shape), null];
  return graph.node('Reshape', [x, target], [{ dtype: x.dtype, shape }], {}, { derivative })[0]!;
}

export function concat(graph: Graph, parts: readonly Tensor[], axis: number, size: Dim): Tensor {
  const first = parts[0]!;
  const at = axis < 0 ? first.shape.length + axis : axis;
  for (const part of parts) {
    const fits =
      part.shape.length === first.shape.length &&
      part.shape.every((d, i) => i === at || d === first.shape[i]);
    expect(fits, 'Concat', `${text(part.shape)} does not join ${text(first.shape)} along axis ${at}`);
  }
  const shape = first.shape.map((d, i) => (i === at ? size : d));
  return graph.node('Concat', parts, [{ dtype: first.dtype, shape }], { axis: at })[0]!;
}

/** The last entry of x along `axis`, which keeps size 1. */
export function last(graph: Graph, x: Tensor, axis: number): Tensor {
  const [start, end, axes] = [[-1], [Number.MAX_SAFE_INTEGER], [axis]].map((bound) =>
    graph.constant('int64', bound),
  );
  const shape = x.shape.map((d, i) => (i === axis ? 1 : d));
  return graph.node('Slice', [x, start!, end!, axes!], [{ dtype: x.dtype, shape }])[0]!;
}

/** Cuts x along its last axis into parts of the given sizes; `lengths` holds the sizes at run time, int64 [parts]. */
export function split(graph: Graph, x: Tensor, lengths: Tensor, sizes: readonly Dim[]): Tensor[] {
  const outputs = sizes.map((size) => ({ dtype: x.dtype, shape: [...x.shape.slice(0, -1), size] }));
  return graph.node('Split', [x, lengths], outputs, { axis: -1 });
}

/** The size of x along `axis`, as a tensor [1] of int64. */
export function sizeOf(graph: Graph, x: Tensor, axis: number): Tensor {
  return graph.node('Shape', [x], [{ dtype: 'int64', shape: [1] }], { start: axis, end: axis + 1 })[0]!;
}

/** x without its first `count` axes, each of size 1. */
export function squeeze(graph: Graph, x: Tensor, count: number): Tensor {
  const gone = Array.from({ length: count }, (_, i) => i);
  expect(
    gone.every((i) => x.shape[i] === 1),
    'Squeeze',
    `the first ${count} sizes of ${text(x.shape)} are not all 1`,
  );
  const outputs = [{ dtype: x.dtype, shape: x.shape.slice(count) }];
  return graph.node('Squeeze', [x, graph.constant('int64', gone)], outputs)[0]!;
}

export function softmax(graph: Graph, x: Tensor): Tensor {
  const [p] = graph.node(
    'Softmax',
    [x],
    [x],
    { axis: -1 },
    {
      derivative: ([g]) => [
        () => {
          const weighted = mul(graph, g!, p!);
          const total = reduceSum(graph, weighted, [x.shape.length - 1], true);
          return sub(graph, weighted, mul(graph, p!, total));
        },
      ],
    },
  );
  return p!;
}

/** Rows of `table` [n, d] at `indices` [...]: [..., d]. */
export function gather(graph: Graph, table: Tensor, indices: Tensor): Tensor {
  expect(table.shape.length === 2, 'Gather', `${table.name} is not a table: ${text(table.shape)}`);
  const out = { dtype: table.dtype, shape: [...indices.shape, table.shape[1]!] };
  const derivative: Derivative = ([g]) => [
    () => {
      const rows = asMatrix(graph, g!);
      const column = reshapeTo(graph, cast(graph, indices, 'int64'), graph.constant('int64', [-1, 1]), [
        rows.shape[0]!,
        1,
      ]);
      const places = expand(graph, column, shapeOf(graph, rows), rows.shape);
      return scatterAdd(graph, zeros(graph, table.shape.map(Number)), places, rows, 0);
    },
    null,
  ];
  return graph.node('Gather', [table, indices], [out], { axis: 0 }, { derivative })[0]!;
}

/** x with `values` added at `indices` along `axis`, both of one shape. One thread does it, in order. */
export function scatterAdd(graph: Graph, x: Tensor, indices: Tensor, values: Tensor, axis: number): Tensor {
  return graph.node('ScatterElements', [x, indices, values], [x], { axis, reduction: 'add' })[0]!;
}

export function zeros(graph: Graph, shape: readonly number[]): Tensor {
  return graph.node('ConstantOfShape', [graph.constant('int64', shape)], [{ dtype: 'float32', shape }])[0]!;
}

function cast(graph: Graph, x: Tensor, dtype: 'float32' | 'int64'): Tensor {
  if (x.dtype === dtype) return x;
  return graph.node('Cast', [x], [{ dtype, shape: x.shape }], { to: DATA_TYPE[dtype] })[0]!;
}

/**
 * Rows of x [n, d] at `places` [m], each row at most once where its gradient is not zero. `back` [n] says where among the m
 * rows each row of x went, or names one whose gradient is zero: so the gradient is read, too, and never scattered, which
 * would depend on the order of threads.
 */
export function pick(graph: Graph, x: Tensor, places: Tensor, back: Tensor): Tensor {
  const out = { dtype: x.dtype, shape: [places.shape[0]!, x.shape[1]!] };
  const derivative: Derivative = ([g]) => [() => gather(graph, g!, back), null];
  return graph.node('Gather', [x, places], [out], { axis: 0 }, { derivative })[0]!;
}

/** x / sqrt(mean(x^2) + epsilon) * scale over the last axis (Zhang and Sennrich 2019). */
export function rmsNorm(graph: Graph, x: Tensor, scale: Tensor, epsilon: number): Tensor {
  expect(
    scale.shape[0] === x.shape.at(-1),
    'RMSNorm',
    `scale ${text(scale.shape)} does not fit ${text(x.shape)}`,
  );
  const attributes = { axis: -1, epsilon: { float: epsilon }, stash_type: 1 };
  const outputs = [x, { dtype: x.dtype, shape: [...x.shape.slice(0, -1), 1] }];
  const [y, inverse] = graph.node('SimplifiedLayerNormalization', [x, scale], outputs, attributes, {
    // With r = 1 / rms and h = g * scale: dx = r (h - x r^2 mean(h x)), dscale = sum of g x r.
    derivative: ([g]) => [
      () => {
        const h = mul(graph, g!, scale);
        const mean = reduceMean(graph, mul(graph, h, x));
        const c = mul(graph, mul(graph, inverse!, inverse!), mean);
        return mul(graph, sub(graph, h, mul(graph, x, c)), inverse!);
      },
      () => sumTo(graph, mul(graph, mul(graph, g!, x), inverse!), scale.shape),
    ],
  });
  return y!;
}

/**
 * Rotates pairs (i, i + d/2) of every head of x [B, S, heads * d] by the angles of its rows (Su et al. 2021, in the
 * half-split order of Llama). `cos`, `sin` are [rows, d/2]; `rows` [B, S] picks a row of them for each token.
 */
export function rotary(graph: Graph, x: Tensor, rows: Tensor, cos: Tensor, sin: Tensor): Tensor {
  return graph.node(
    'RotaryEmbedding',
    [x, rows, cos, sin],
    [x],
    {},
    {
      domain: 'com.microsoft',
      derivative: ([g]) => [() => rotary(graph, g!, rows, cos, neg(graph, sin)), null, null, null],
    },
  )[0]!;
}

/**
 * What `body` makes where `condition` (bool, one value) holds; where it does not, it is not computed, and `otherwise` stands in
 * its place: tensors of the same type and rank that are at hand. For several ways put several side by side: ONNX Runtime packs
 * weights for the branches of the outermost graph alone, so one inside another is slower, and sums in another order.
 */
export function onlyIf(
  graph: Graph,
  condition: Tensor,
  name: string,
  body: () => readonly Tensor[],
  otherwise: readonly Tensor[],
): Tensor[] {
  const then = graph.subgraph(name, [], body);
  const { outputs } = then;
  expect(
    outputs.every(({ dtype, shape }, i) => {
      const other = otherwise[i];
      return other?.dtype === dtype && other.shape.length === shape.length;
    }),
    'If',
    'what stands in is of another type or rank',
  );
  const branches = { then_branch: then, else_branch: graph.subgraph(`no ${name}`, [], () => otherwise) };
  return graph.node('If', [condition], outputs, branches);
}

/**
 * `body` for each entry along the first axis of `sequences`, one after another. Its first results go into the next round in
 * place of `states`, and out at the end; the others are stacked along a first axis.
 */
export function scan(
  graph: Graph,
  name: string,
  states: readonly Tensor[],
  sequences: readonly Tensor[],
  body: (states: readonly Tensor[], slices: readonly Tensor[]) => readonly Tensor[],
): Tensor[] {
  const count = sequences[0]!.shape[0]!;
  const slices = sequences.map(({ dtype, shape }) => ({ dtype, shape: shape.slice(1) }));
  const inner = graph.subgraph(name, [...states, ...slices], (inputs) =>
    body(inputs.slice(0, states.length), inputs.slice(states.length)),
  );
  const outputs = inner.outputs.map(({ dtype, shape }, i) => ({
    dtype,
    shape: i < states.length ? shape : [count, ...shape],
  }));
  const attributes = { body: inner, num_scan_inputs: sequences.length };
  return graph.node('Scan', [...states, ...sequences], outputs, attributes);
}
/** For each row of x [n, d], its value at `indices` [n, 1]. */
export function gatherElements(graph: Graph, x: Tensor, indices: Tensor): Tensor {
  const out = { dtype: x.dtype, shape: indices.shape };
  return graph.node('GatherElements', [x, indices], [out], { axis: 1 })[0]!;
}

/** 1 where a is at least b, else 0. */
export function atLeast(graph: Graph, a: Tensor, b: Tensor): Tensor {
  const shape = broadcast('GreaterOrEqual', a.shape, b.shape);
  const [holds] = graph.node('GreaterOrEqual', [a, b], [{ dtype: 'bool', shape }]);
  return cast(graph, holds!, 'float32');
}
