/**
 * The operations that our models use, each checking its operands and working out its result's shape. An operation is one
 * function: what it needs to be differentiated (its inputs, outputs and attributes) is in the node that it appends.
 * Formulas: https://onnx.ai/onnx/operators/ ; those of com.microsoft: ONNX Runtime's ContribOperators.md.
 */
import { type Dim, type Dtype, type Graph, GraphError, type Shape, type Tensor } from './graph.ts';

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

function elementwise(op: 'Add' | 'Mul' | 'Sub') {
  return (graph: Graph, a: Tensor, b: Tensor): Tensor =>
    graph.node(op, [a, b], [{ dtype: sameDtype(op, a, b), shape: broadcast(op, a.shape, b.shape) }])[0]!;
}
export const add = elementwise('Add');
export const mul = elementwise('Mul');

export function sigmoid(graph: Graph, x: Tensor): Tensor {
  return graph.node('Sigmoid', [x], [{ dtype: x.dtype, shape: x.shape }])[0]!;
}

/** x * sigmoid(x), the gate of SwiGLU. QuickGelu with alpha 1 is this in one pass over memory. */
export function silu(graph: Graph, x: Tensor): Tensor {
  return graph.node(
    'QuickGelu',
    [x],
    [{ dtype: x.dtype, shape: x.shape }],
    { alpha: { float: 1 } },
    { domain: 'com.microsoft' },
  )[0]!;
}

/** a [..., m, k] times b [..., k, n]; `transposeB`: b is [..., n, k]. Leading sizes broadcast. */
export function matmul(graph: Graph, a: Tensor, b: Tensor, options: { transposeB?: boolean } = {}): Tensor {
  const op = options.transposeB ? 'FusedMatMul' : 'MatMul';
  const [k, n] = options.transposeB ? [b.shape.at(-1), b.shape.at(-2)] : [b.shape.at(-2), b.shape.at(-1)];
  expect(
    a.shape.at(-1) === k,
    op,
    `${text(a.shape)} of ${a.name} and ${text(b.shape)} of ${b.name} do not multiply`,
  );
  const shape = [...broadcast(op, a.shape.slice(0, -2), b.shape.slice(0, -2)), a.shape.at(-2)!, n!];
  const outputs = [{ dtype: sameDtype(op, a, b), shape }];
  if (!options.transposeB) return graph.node(op, [a, b], outputs)[0]!;
  return graph.node(op, [a, b], outputs, { transB: 1, alpha: { float: 1 } }, { domain: 'com.microsoft' })[0]!;
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
    {
      perm: permutation,
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
  return graph.node('Reshape', [x, graph.constant('int64', sizes)], [{ dtype: x.dtype, shape }])[0]!;
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
  return graph.node('Softmax', [x], [{ dtype: x.dtype, shape: x.shape }], { axis: -1 })[0]!;
}

/** Rows of `table` [n, d] at `indices` [...]: [..., d]. */
export function gather(graph: Graph, table: Tensor, indices: Tensor): Tensor {
  expect(table.shape.length === 2, 'Gather', `${table.name} is not a table: ${text(table.shape)}`);
  return graph.node(
    'Gather',
    [table, indices],
    [{ dtype: table.dtype, shape: [...indices.shape, table.shape[1]!] }],
    {
      axis: 0,
    },
  )[0]!;
}

/** x / sqrt(mean(x^2) + epsilon) * scale over the last axis (Zhang and Sennrich 2019). */
export function rmsNorm(graph: Graph, x: Tensor, scale: Tensor, epsilon: number): Tensor {
  expect(
    scale.shape[0] === x.shape.at(-1),
    'RMSNorm',
    `scale ${text(scale.shape)} does not fit ${text(x.shape)}`,
  );
  return graph.node('SimplifiedLayerNormalization', [x, scale], [{ dtype: x.dtype, shape: x.shape }], {
    axis: -1,
    epsilon: { float: epsilon },
    stash_type: 1,
  })[0]!;
}

/**
 * Rotates pairs (i, i + d/2) of every head of x [B, S, heads * d] by the angles of its rows (Su et al. 2021, in the
 * half-split order of Llama). `cos`, `sin` are [rows, d/2]; `rows` [B, S] picks a row of them for each token.
 */
export function rotary(graph: Graph, x: Tensor, rows: Tensor, cos: Tensor, sin: Tensor): Tensor {
  return graph.node(
    'RotaryEmbedding',
    [x, rows, cos, sin],
    [{ dtype: x.dtype, shape: x.shape }],
    {},
    { domain: 'com.microsoft' },
  )[0]!;
}

/** What `then` makes where `condition` (bool, one value) holds, else what `otherwise` makes; only that one is computed. */
export function when(
  graph: Graph,
  condition: Tensor,
  then: () => readonly Tensor[],
  otherwise: () => readonly Tensor[],
): Tensor[] {
  const branches = {
    then_branch: graph.subgraph('then', then),
    else_branch: graph.subgraph('otherwise', otherwise),
  };
  const [some, others] = [branches.then_branch.outputs, branches.else_branch.outputs];
  expect(
    some.length === others.length && some.every((x, i) => text(x.shape) === text(others[i]!.shape)),
    'If',
    'the two branches make different tensors',
  );
  return graph.node('If', [condition], some, branches);
}
