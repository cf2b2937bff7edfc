/**
 * The Llama family as one graph: Llama 2 and 3, SmolLM2, Mistral, Qwen2 and Qwen3 differ in numbers and in three
 * switches (bias on q, k, v; a norm on q and k; tied head). One graph serves prefill and decode: it reads the past keys
 * and values, and returns only those of the new tokens (docs/architecture.md).
 *
 * Sizes: B rows of the batch, S new tokens of each, P places in the past, T = P + S, H hidden, d per head; a query group
 * is `heads / kvHeads` query heads that share a key head.
 *
 * Adapters (Hu et al. 2021): y = x W^T + (x A^T) B, where a row's rank rows lie in the slabs A [B, R, in] and B [B, R, out].
 * Every row has its own slab, or all share one (first size 1). The graph has two branches that share the weights: one with
 * adapters, and one without, for a step in which no row has any.
 */
import { type BaseConfig, baseTensors } from '../../adapter/base-config.ts';
import { type ExternalData, Graph, type Tensor } from '../graph/graph.ts';
import * as op from '../graph/operations.ts';

/** The linears of a layer that an adapter may change, by their PEFT name, in the order data flows. */
export const LAYER_LINEARS = [
  'q_proj',
  'k_proj',
  'v_proj',
  'o_proj',
  'gate_proj',
  'up_proj',
  'down_proj',
] as const;
export type LinearKind = (typeof LAYER_LINEARS)[number] | 'lm_head';
export const LINEAR_KINDS: readonly LinearKind[] = [...LAYER_LINEARS, 'lm_head'];

const EMBEDDING = 'model.embed_tokens.weight';
const HEAD = 'lm_head.weight';

export interface LinearSize {
  readonly in: number;
  readonly out: number;
}

export function linearSizes(config: BaseConfig): Record<LinearKind, LinearSize> {
  const { hiddenSize, intermediateSize, headDim, heads, kvHeads, vocabSize } = config;
  return {
    q_proj: { in: hiddenSize, out: heads * headDim },
    k_proj: { in: hiddenSize, out: kvHeads * headDim },
    v_proj: { in: hiddenSize, out: kvHeads * headDim },
    o_proj: { in: heads * headDim, out: hiddenSize },
    gate_proj: { in: hiddenSize, out: intermediateSize },
    up_proj: { in: hiddenSize, out: intermediateSize },
    down_proj: { in: intermediateSize, out: hiddenSize },
    lm_head: { in: hiddenSize, out: vocabSize },
  };
}

export function layersOf(kind: LinearKind, config: BaseConfig): number {
  return kind === 'lm_head' ? 1 : config.layers;
}

/** The module path of a linear, as PEFT and the checkpoint name it. */
export function modulePath(kind: LinearKind, layer: number): string {
  if (kind === 'lm_head') return 'lm_head';
  return `model.layers.${layer}.${kind.endsWith('_proj') && 'qkvo'.includes(kind[0]!) ? 'self_attn' : 'mlp'}.${kind}`;
}

/** Names of the graph's inputs and outputs, shared with whoever feeds it. */
export const IO = {
  tokens: 'tokens',
  embeddingDelta: 'embedding_delta',
  rotaryRows: 'rotary_rows',
  queryCos: 'query_cos',
  querySin: 'query_sin',
  keyCos: 'key_cos',
  keySin: 'key_sin',
  mask: 'mask',
  adapted: 'adapted',
  pastKey: (layer: number) => `past_key.${layer}`,
  pastValue: (layer: number) => `past_value.${layer}`,
  slabA: (module: string) => `${module}.lora_A`,
  slabB: (module: string) => `${module}.lora_B`,
  logits: 'logits',
  newKeyValue: 'new_key_value',
} as const;

export type WeightSource = (name: string) => ExternalData;

export function buildLlama(config: BaseConfig, weights: WeightSource): Graph {
  return new Llama(config, weights).graph;
}

class Llama {
  readonly graph = new Graph();
  private readonly config: BaseConfig;
  /** By their name in the checkpoint; those of linears transposed, [in, out]. */
  private readonly weights: ReadonlyMap<string, Tensor>;
  private readonly tokens: Tensor;
  private readonly embeddingDelta: Tensor;
  private readonly rotary: {
    rows: Tensor;
    queryCos: Tensor;
    querySin: Tensor;
    keyCos: Tensor;
    keySin: Tensor;
  };
  private readonly mask: Tensor;
  private readonly past: readonly { key: Tensor; value: Tensor }[];
  /** [P, S]: where the probabilities of the past end. */
  private readonly pastAndNew: Tensor;
  /** By module path; undefined while the branch without adapters is built. */
  private slabs: ReadonlyMap<string, { a: Tensor; b: Tensor }> | undefined;

  constructor(config: BaseConfig, source: WeightSource) {
    this.config = config;
    const { graph } = this;
    const { kvHeads, headDim, layers, hiddenSize } = config;

    this.weights = this.openWeights(source);
    this.tokens = graph.input(IO.tokens, 'int32', ['B', 'S']);
    this.embeddingDelta = graph.input(IO.embeddingDelta, 'float32', ['B|1', 'S|1', hiddenSize]);
    const angles = ['rows', headDim / 2];
    this.rotary = {
      rows: graph.input(IO.rotaryRows, 'int64', ['B', 'S']),
      queryCos: graph.input(IO.queryCos, 'float32', angles),
      querySin: graph.input(IO.querySin, 'float32', angles),
      keyCos: graph.input(IO.keyCos, 'float32', angles),
      keySin: graph.input(IO.keySin, 'float32', angles),
    };
    this.mask = graph.input(IO.mask, 'float32', ['B', 1, 1, 'S', 'T']);
    this.past = Array.from({ length: layers }, (_, layer) => ({
      key: graph.input(IO.pastKey(layer), 'float32', ['B', kvHeads, 1, 'P', headDim]),
      value: graph.input(IO.pastValue(layer), 'float32', ['B', kvHeads, 1, 'P', headDim]),
    }));
    this.pastAndNew = op.concat(
      graph,
      [op.sizeOf(graph, this.past[0]!.key, 3), op.sizeOf(graph, this.tokens, 1)],
      0,
      2,
    );
    const slabs = this.openSlabs();

    const [logits, newKeyValue] = op.when(
      graph,
      graph.input(IO.adapted, 'bool', []),
      () => this.forward(slabs),
      () => this.forward(undefined),
    );
    graph.output(logits!, IO.logits);
    graph.output(newKeyValue!, IO.newKeyValue);
  }

  /** Outside of the branches, which share them. ONNX Runtime folds the transposes when it loads. */
  private openWeights(source: WeightSource): Map<string, Tensor> {
    const { graph, config } = this;
    const weights = new Map<string, Tensor>();
    for (const [name, shape] of baseTensors(config)) {
      const weight = graph.weight(name, 'float32', shape, source(name));
      const isLinear = shape.length === 2 && name !== EMBEDDING;
      weights.set(name, isLinear ? op.transpose(graph, weight, [1, 0]) : weight);
    }
    if (config.tieEmbeddings) weights.set(HEAD, op.transpose(graph, weights.get(EMBEDDING)!, [1, 0]));
    return weights;
  }

  /**
   * Each slab has one more leading size than what it multiplies: else ONNX Runtime would join the rows that share a slab
   * into one matrix, and use another kernel with another order of sums than for a row alone (serve/slabs.ts).
   */
  private openSlabs(): Map<string, { a: Tensor; b: Tensor }> {
    const { graph, config } = this;
    const sizes = linearSizes(config);
    const slabs = new Map<string, { a: Tensor; b: Tensor }>();
    for (const kind of LINEAR_KINDS) {
      const size = sizes[kind];
      for (let layer = 0; layer < layersOf(kind, config); layer++) {
        const path = modulePath(kind, layer);
        slabs.set(path, {
          a: graph.input(IO.slabA(path), 'float32', [1, 'B|1', `R_${kind}`, size.in]),
          b: graph.input(IO.slabB(path), 'float32', [1, 1, 'B|1', `R_${kind}`, size.out]),
        });
      }
    }
    return slabs;
  }

  /** @returns logits [B, 1, V] after the last token; [B, kvHeads, 2 * layers, S, d], key and value of each layer in turn */
  private forward(slabs: Llama['slabs']): Tensor[] {
    this.slabs = slabs;
    const { graph } = this;
    const { layers } = this.config;
    const embedded = op.gather(graph, this.weights.get(EMBEDDING)!, this.tokens);
    let x = op.add(graph, embedded, this.embeddingDelta); // [B, S, H]
    const fresh: Tensor[] = [];
    for (let layer = 0; layer < layers; layer++) {
      x = graph.within(`layer.${layer}`, () => {
        const normed = this.norm(x, `model.layers.${layer}.input_layernorm`);
        const { y, key, value } = this.attention(normed, layer);
        fresh.push(key, value);
        const h = op.add(graph, x, y);
        return op.add(
          graph,
          h,
          this.mlp(this.norm(h, `model.layers.${layer}.post_attention_layernorm`), layer),
        );
      });
    }
    const h = this.norm(op.last(graph, x, 1), 'model.norm'); // [B, 1, H]
    return [this.linear(h, 'lm_head', 0), op.concat(graph, fresh, 2, 2 * layers)];
  }

  private attention(x: Tensor, layer: number): { y: Tensor; key: Tensor; value: Tensor } {
    const { graph, rotary } = this;
    const { heads, kvHeads, headDim } = this.config;
    const group = heads / kvHeads;
    const past = this.past[layer]!;

    const q0 = this.headNorm(this.linear(x, 'q_proj', layer), heads, layer, 'q_norm'); // [B, S, heads * d]
    const k0 = this.headNorm(this.linear(x, 'k_proj', layer), kvHeads, layer, 'k_norm'); // [B, S, kvHeads * d]
    const v0 = this.linear(x, 'v_proj', layer);
    // The query's angles carry the factor 1 / sqrt(d).
    const q1 = op.rotary(graph, q0, rotary.rows, rotary.queryCos, rotary.querySin);
    const k1 = op.rotary(graph, k0, rotary.rows, rotary.keyCos, rotary.keySin);
    const q = this.toHeads(q1, group); // [B, kvHeads, group, S, d]
    const key = this.toHeads(k1, 1); // [B, kvHeads, 1, S, d]
    const value = this.toHeads(v0, 1);

    // Past and new are scored apart and share one softmax: the past is read where it lies and never copied.
    const scores = op.concat(
      graph,
      [op.matmul(graph, q, past.key, { transposeB: true }), op.matmul(graph, q, key, { transposeB: true })],
      -1,
      'T',
    ); // [B, kvHeads, group, S, T]
    const probabilities = op.softmax(graph, op.add(graph, scores, this.mask));
    const [onPast, onNew] = op.split(graph, probabilities, this.pastAndNew, ['P', 'S']);
    const mixed = op.add(graph, op.matmul(graph, onPast!, past.value), op.matmul(graph, onNew!, value));

    const merged = op.reshape(graph, op.transpose(graph, mixed, [0, 3, 1, 2, 4]), [
      'B',
      'S',
      heads * headDim,
    ]);
    return { y: this.linear(merged, 'o_proj', layer), key, value };
  }

  /** SwiGLU (Shazeer 2020). */
  private mlp(x: Tensor, layer: number): Tensor {
    const gate = op.silu(this.graph, this.linear(x, 'gate_proj', layer));
    return this.linear(op.mul(this.graph, gate, this.linear(x, 'up_proj', layer)), 'down_proj', layer);
  }

  private linear(x: Tensor, kind: LinearKind, layer: number): Tensor {
    const { graph } = this;
    const path = modulePath(kind, layer);
    const product = op.matmul(graph, x, this.weights.get(`${path}.weight`)!);
    const bias = this.weights.get(`${path}.bias`);
    const y = bias ? op.add(graph, product, bias) : product;
    const slab = this.slabs?.get(path);
    if (!slab) return y;
    const u = op.matmul(graph, x, slab.a, { transposeB: true }); // [1, B, S, R]
    return op.add(graph, y, op.squeeze(graph, op.matmul(graph, u, slab.b), 2));
  }

  private headNorm(x: Tensor, heads: number, layer: number, name: string): Tensor {
    if (!this.config.qkNorm) return x;
    const { graph } = this;
    const { headDim, rmsNormEps } = this.config;
    const scale = this.weights.get(`model.layers.${layer}.self_attn.${name}.weight`)!;
    const normed = op.rmsNorm(graph, op.reshape(graph, x, ['B', 'S', heads, headDim]), scale, rmsNormEps);
    return op.reshape(graph, normed, ['B', 'S', heads * headDim]);
  }

  /** [B, S, kvHeads * group * d] -> [B, kvHeads, group, S, d] */
  private toHeads(x: Tensor, group: number): Tensor {
    const { graph } = this;
    const { kvHeads, headDim } = this.config;
    return op.transpose(graph, op.reshape(graph, x, ['B', 'S', kvHeads, group, headDim]), [0, 2, 3, 1, 4]);
  }

  private norm(x: Tensor, path: string): Tensor {
    return op.rmsNorm(this.graph, x, this.weights.get(`${path}.weight`)!, this.config.rmsNormEps);
  }
}
