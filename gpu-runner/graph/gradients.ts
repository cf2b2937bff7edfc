/** Reverse-mode differentiation: from the gradients of some tensors to those of what they were made from. */
import { type Derivative, type Graph, GraphError, type Node, type Tensor } from './graph.ts';
import { add, identity, mul } from './operations.ts';

/** A tensor, and the gradient of the objective with respect to it. */
export type Seed = readonly [tensor: Tensor, gradient: Tensor];

/**
 * Appends the nodes that work out gradients. Nothing is made for a tensor on no path from `wrt`: a frozen weight gets no
 * gradient, and neither does anything below the lowest tensor asked for.
 * @param seeds where the way back begins
 * @returns the gradient of each of `wrt`, in order
 */
export function gradients(graph: Graph, seeds: readonly Seed[], wrt: readonly Tensor[]): Tensor[] {
  return backward(graph, [...graph.nodes], seeds, wrt);
}

function backward(
  graph: Graph,
  forward: readonly Node[],
  seeds: readonly Seed[],
  wrt: readonly Tensor[],
): Tensor[] {
  const moved = reachedFrom(wrt, forward);
  const known = new Map<Tensor, Tensor>();
  const note = (tensor: Tensor, gradient: Tensor) => {
    const before = known.get(tensor);
    known.set(tensor, before ? add(graph, before, gradient) : gradient);
  };
  for (const [tensor, gradient] of seeds) note(tensor, gradient);
  for (const node of forward.toReversed()) {
    const given = node.outputs.map((output) => known.get(output));
    if (!given.some(Boolean) || !node.wrt.some((input) => input && moved.has(input))) continue;
    const makers = derivativeOf(node)(given);
    for (const [i, input] of node.wrt.entries()) {
      if (!input || !moved.has(input)) continue;
      const make = makers[i];
      if (!make) throw new GraphError(`${node.op} has no derivative with respect to its input ${i}`);
      note(input, graph.within('gradient', make));
    }
  }
  return wrt.map((tensor) => {
    const gradient = known.get(tensor);
    if (!gradient) throw new GraphError(`nothing depends on ${tensor.name}`);
    return gradient;
  });
}

/**
 * `body(x)`, of which nothing is kept for the way back but x: there it is worked out again (gradient checkpointing, Chen et
 * al. 2016). The second time starts from x + 0 g, g being the gradient that arrives: so ONNX Runtime neither takes it for the
 * first nor runs it before it is needed.
 * @param parameters other tensors that gradients are wanted for
 */
export function recomputed(
  graph: Graph,
  x: Tensor,
  parameters: readonly Tensor[],
  body: (x: Tensor) => Tensor,
): Tensor {
  const wrt = [x, ...parameters];
  const derivative: Derivative = ([g]) => {
    let found: Tensor[] | undefined;
    const work = () => {
      const again = add(graph, x, mul(graph, g!, graph.constant('float32', [0], [])));
      const start = graph.nodes.length;
      const y = body(again);
      return backward(graph, graph.nodes.slice(start), [[y, g!]], [again, ...parameters]);
    };
    return wrt.map((_, i) => () => (found ??= work())[i]!);
  };
  return identity(graph, body(x), { derivative, wrt });
}

function derivativeOf(node: Node) {
  if (!node.derivative) throw new GraphError(`${node.op} (${node.name}) has no derivative`);
  return node.derivative;
}

/** Sizes and places (int64) carry no gradient, whatever they were read from. */
function reachedFrom(sources: readonly Tensor[], nodes: readonly Node[]): ReadonlySet<Tensor> {
  const reached = new Set(sources);
  for (const { wrt, outputs } of nodes) {
    if (!wrt.some((input) => input && reached.has(input))) continue;
    for (const output of outputs) if (output.dtype === 'float32') reached.add(output);
  }
  return reached;
}
