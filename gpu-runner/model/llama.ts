/**
 * The Llama family: Llama 2 and 3, SmolLM2, Mistral, Qwen2 and Qwen3 differ in numbers and in three switches (bias on q, k, v;
 * a norm on q and k; tied head). This is the one definition of the model; what feeds it (where weights and adapters come from,
 * what a token attends to) are its parts, and every graph is built from it: serving's (step-graph.ts) and training's
 * (../train/training-graph.ts).
 *
 * Sizes: B rows of the batch, S tokens of each, H hidden, d per head; a query group is `heads / kvHeads` query heads that
 * share a key head.
 */
import type { BaseConfig } from '../../adapter/base-config.ts';
import type { ExternalData, Graph, Tensor } from '../graph/graph.ts';
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

export const EMBEDDING = 'model.embed_tokens.weight';
export const HEAD = 'lm_head.weight';
/** As adapters name them. */
export const EMBEDDING_MODULE = 'model.embed_tokens';
export const HEAD_MODULE = 'lm_head';

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

export type WeightSource = (name: string) => ExternalData;

/** Cosines and sines of the tokens' angles: `rows` [B, S] picks a row of each. */
export interface RotaryInputs {
  readonly rows: Tensor;
  /** [rows, d / 2]; the query's carry the factor 1 / sqrt(d). */
  readonly queryCos: Tensor;
  readonly querySin: Tensor;
  readonly keyCos: Tensor;
  readonly keySin: Tensor;
}

export function rotaryInputs(graph: Graph, { headDim }: BaseConfig): RotaryInputs {
  const angles = ['rows', headDim / 2];
  return {
    rows: graph.input(ROTARY.rows, 'int64', ['B', 'S']),
    queryCos: graph.input(ROTARY.queryCos, 'float32', angles),
    querySin: graph.input(ROTARY.querySin, 'float32', angles),
    keyCos: graph.input(ROTARY.keyCos, 'float32', angles),
    keySin: graph.input(ROTARY.keySin, 'float32', angles),
  };
}

export const ROTARY = {
  rows: 'rotary_rows',
  queryCos: 'query_cos',
  querySin: 'query_sin',
  keyCos: 'key_cos',
  keySin: 'key_sin',
} as const;

export interface LlamaParts {
  readonly rotary: RotaryInputs;
  /** Of a norm. */
  weight(name: string): Tensor;
  /** x [B, S, in] through the linear at `path`, with its bias and its adapters: [B, S, out]. */
  linear(x: Tensor, path: string): Tensor;
  /** Query [B, kvHeads, group, S, d], key and value [B, kvHeads, 1, S, d]: the values mixed for each query, as the query. */
  attend(query: Tensor, key: Tensor, value: Tensor, layer: number): Tensor;
}

export class Llama {
  private readonly graph: Graph;
  private readonly config: BaseConfig;
  private readonly parts: LlamaParts;

  constructor(graph: Graph, config: BaseConfig, parts: LlamaParts) {
    this.graph = graph;
    this.config = config;
    this.parts = parts;
  }

  /** Hidden states [B, S, H] through every layer; the final norm is not among them. */
  layers(embedded: Tensor): Tensor {
    let x = embedded;
    for (let layer = 0; layer < this.config.layers; layer++) x = this.layer(x, layer);
    return x;
  }

  layer(x: Tensor, layer: number): Tensor {
    return this.graph.within(`layer.${layer}`, () => this.block(x, layer));
  }

  private block(x: Tensor, layer: number): Tensor {
    const { graph } = this;
    const h = op.add(graph, x, this.attention(this.norm(x, `model.layers.${layer}.input_layernorm`), layer));
    return op.add(graph, h, this.mlp(this.norm(h, `model.layers.${layer}.post_attention_layernorm`), layer));
  }

  norm(x: Tensor, path: string): Tensor {
    return op.rmsNorm(this.graph, x, this.parts.weight(`${path}.weight`), this.config.rmsNormEps);
  }

  private attention(x: Tensor, layer: number): Tensor {
    const { graph } = this;
    const { rotary } = this.parts;
    const { heads, kvHeads, headDim } = this.config;
    const q0 = this.headNorm(this.linear(x, 'q_proj', layer), heads, layer, 'q_norm'); // [B, S, heads * d]
    const k0 = this.headNorm(this.linear(x, 'k_proj', layer), kvHeads, layer, 'k_norm'); // [B, S, kvHeads * d]
    const v0 = this.linear(x, 'v_proj', layer);
    const q1 = op.rotary(graph, q0, rotary.rows, rotary.queryCos, rotary.querySin);
    const k1 = op.rotary(graph, k0, rotary.rows, rotary.keyCos, rotary.keySin);
    const query = this.toHeads(q1, heads / kvHeads); // [B, kvHeads, group, S, d]
    const mixed = this.parts.attend(query, this.toHeads(k1, 1), this.toHeads(v0, 1), layer);
    const merged = op.transpose(graph, mixed, [0, 3, 1, 2, 4]); // [B, S, kvHeads, group, d]
    return this.linear(op.reshape(graph, merged, ['B', 'S', heads * headDim]), 'o_proj', layer);
  }

  /** SwiGLU (Shazeer 2020). */
  private mlp(x: Tensor, layer: number): Tensor {
    const gate = op.silu(this.graph, this.linear(x, 'gate_proj', layer));
    return this.linear(op.mul(this.graph, gate, this.linear(x, 'up_proj', layer)), 'down_proj', layer);
  }

  private linear(x: Tensor, kind: LinearKind, layer: number): Tensor {
    return this.parts.linear(x, modulePath(kind, layer));
  }

  private headNorm(x: Tensor, heads: number, layer: number, name: string): Tensor {
    if (!this.config.qkNorm) return x;
    const { graph } = this;
    const { headDim, rmsNormEps } = this.config;
    const scale = this.parts.weight(`model.layers.${layer}.self_attn.${name}.weight`);
    const normed = op.rmsNorm(graph, op.reshape(graph, x, ['B', 'S', heads, headDim]), scale, rmsNormEps);
    return op.reshape(graph, normed, ['B', 'S', heads * headDim]);
  }

  /** [B, S, kvHeads * group * d] -> [B, kvHeads, group, S, d] */
  private toHeads(x: Tensor, group: number): Tensor {
    const { graph } = this;
    const { kvHeads, headDim } = this.config;
    return op.transpose(graph, op.reshape(graph, x, ['B', 'S', kvHeads, group, headDim]), [0, 2, 3, 1, 4]);
  }
}
