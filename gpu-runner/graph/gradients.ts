/** Reverse-mode differentiation: from the gradients of some tensors to those of what they were made from. */
import { type Graph, GraphError, type Node, type Tensor } from './graph.ts';
import { add } from './operations.ts';

/**
 * Appends the nodes that work out gradients. Nothing is made for a tensor on no path from `wrt`: a frozen weight gets no
 * gradient, and neither does anything below the lowest tensor asked for.
 * @param seeds tensors and the gradient of the objective with respect to each
 * @returns the gradient of each of `wrt`, in order
 */
export function gradients(
  graph: Graph,
  seeds: readonly (readonly [tensor: Tensor, gradient: Tensor])[],
  wrt: readonly Tensor[],
): Tensor[] {
  const forward = [...graph.nodes];
  const moved = reachedFrom(wrt, forward);
  const known = new Map<Tensor, Tensor>();
  const note = (tensor: Tensor, gradient: Tensor) => {
    const before = known.get(tensor);
    known.set(tensor, before ? add(graph, before, gradient) : gradient);
  };
  for (const [tensor, gradient] of seeds) note(tensor, gradient);
  for (const node of forward.reverse()) {
    const given = node.outputs.map((output) => known.get(output));
    if (!given.some(Boolean) || !node.inputs.some((input) => input && moved.has(input))) continue;
    const makers = derivativeOf(node)(given);
    for (const [i, input] of node.inputs.entries()) {
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

function derivativeOf(node: Node) {
  if (!node.derivative) throw new GraphError(`${node.op} (${node.name}) has no derivative`);
  return node.derivative;
}

function reachedFrom(wrt: readonly Tensor[], nodes: readonly Node[]): ReadonlySet<Tensor> {
  const reached = new Set(wrt);
  for (const { inputs, outputs } of nodes) {
    if (inputs.some((input) => input && reached.has(input)))
      for (const output of outputs) reached.add(output);
  }
  return reached;
}
