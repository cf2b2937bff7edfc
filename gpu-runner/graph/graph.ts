/**
 * A typed builder of ONNX graphs. Every tensor knows its dtype and its shape (numbers, or names for sizes that are known
 * only when the graph runs), so a mistake is an error where it was made, naming the operation, and not a failure inside
 * ONNX Runtime. The graph is kept as plain nodes: `onnx.ts` writes it down, and whoever differentiates it walks it.
 */

export type Dtype = 'float32' | 'float16' | 'bfloat16' | 'int32' | 'int64' | 'bool';
/** A size: known now, or named and bound at run time. */
export type Dim = number | string;
export type Shape = readonly Dim[];

export interface Tensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: Shape;
}

export type Attribute = number | string | readonly number[] | { float: number } | Subgraph;

/** Nodes that run only when the node that holds them says so. They see every tensor made before them. */
export interface Subgraph {
  readonly name: string;
  readonly inputs: readonly Tensor[];
  readonly nodes: readonly Node[];
  readonly outputs: readonly Tensor[];
}

/**
 * The reverse-mode derivative of a node: from the gradients of its outputs (undefined: zero) to one function for each input
 * that makes that input's gradient; null where there is none. Functions, because nobody wants the gradient of a frozen weight.
 */
export type Derivative = (gradients: readonly (Tensor | undefined)[]) => readonly ((() => Tensor) | null)[];

export interface Node {
  readonly op: string;
  readonly domain: '' | 'com.microsoft';
  readonly name: string;
  /** null: an optional input left out. */
  readonly inputs: readonly (Tensor | null)[];
  readonly outputs: readonly Tensor[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  readonly derivative: Derivative | undefined;
  /** What the derivative is with respect to, where that is not the node's own inputs. */
  readonly wrt: readonly (Tensor | null)[];
}

/** Where a weight's bytes lie; `file` is relative to the graph's own folder. */
export interface ExternalData {
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}

export type Initializer =
  | { readonly tensor: Tensor; readonly external: ExternalData }
  | { readonly tensor: Tensor; readonly raw: Uint8Array };

export class GraphError extends Error {
  override readonly name = 'GraphError';
}

export class Graph {
  readonly inputs: Tensor[] = [];
  readonly outputs: Tensor[] = [];
  readonly initializers: Initializer[] = [];
  nodes: Node[] = [];
  private readonly names = new Set<string>();
  private readonly constants = new Map<string, Tensor>();
  private readonly scopes: string[] = [];

  /** Runs `body` with `scope` in front of every name that it makes, as module paths do. */
  within<T>(scope: string, body: () => T): T {
    this.scopes.push(scope);
    try {
      return body();
    } finally {
      this.scopes.pop();
    }
  }

  input(name: string, dtype: Dtype, shape: Shape): Tensor {
    const tensor = this.named(name, dtype, shape);
    this.inputs.push(tensor);
    return tensor;
  }

  output(tensor: Tensor, name: string): void {
    this.outputs.push(
      this.node('Identity', [tensor], [{ dtype: tensor.dtype, shape: tensor.shape }], {}, { name })[0]!,
    );
  }

  weight(name: string, dtype: Dtype, shape: readonly number[], external: ExternalData): Tensor {
    const tensor = this.named(name, dtype, shape);
    this.initializers.push({ tensor, external });
    return tensor;
  }

  /** A small constant; equal ones are shared. */
  constant(
    dtype: 'float32' | 'int64',
    values: readonly number[],
    shape: readonly number[] = [values.length],
  ): Tensor {
    const key = `${dtype}[${shape}]=${values}`;
    const known = this.constants.get(key);
    if (known) return known;
    const raw =
      dtype === 'int64'
        ? new Uint8Array(BigInt64Array.from(values, BigInt).buffer)
        : new Uint8Array(Float32Array.from(values).buffer);
    const tensor = this.named(`constant_${this.constants.size}`, dtype, shape);
    this.initializers.push({ tensor, raw });
    this.constants.set(key, tensor);
    return tensor;
  }

  node(
    op: string,
    inputs: readonly (Tensor | null)[],
    outputs: readonly { dtype: Dtype; shape: Shape }[],
    attributes: Readonly<Record<string, Attribute>> = {},
    options: {
      domain?: Node['domain'];
      name?: string;
      derivative?: Derivative;
      wrt?: readonly Tensor[];
    } = {},
  ): Tensor[] {
    const name = options.name ?? [...this.scopes, `${op}_${this.nodes.length}`].join('/');
    const tensors = outputs.map((output, i) =>
      this.named(outputs.length === 1 ? name : `${name}:${i}`, output.dtype, output.shape),
    );
    const { domain = '', derivative, wrt = inputs } = options;
    this.nodes.push({ op, domain, name, inputs, outputs: tensors, attributes, derivative, wrt });
    return tensors;
  }

  /** The nodes that `body` makes. A subgraph must own its outputs, so what `body` returns is copied within it. */
  subgraph(
    name: string,
    inputs: readonly { dtype: Dtype; shape: Shape }[],
    body: (inputs: readonly Tensor[]) => readonly Tensor[],
  ): Subgraph {
    const around = this.nodes;
    this.nodes = [];
    try {
      return this.within(name, () => {
        const at = this.scopes.join('/');
        const tensors = inputs.map(({ dtype, shape }, i) => this.named(`${at}/input_${i}`, dtype, shape));
        const outputs = body(tensors).map((tensor) => this.node('Identity', [tensor], [tensor])[0]!);
        return { name, inputs: tensors, nodes: this.nodes, outputs };
      });
    } finally {
      this.nodes = around;
    }
  }

  private named(name: string, dtype: Dtype, shape: Shape): Tensor {
    if (this.names.has(name)) throw new GraphError(`two tensors are called ${name}`);
    this.names.add(name);
    return { name, dtype, shape };
  }
}
