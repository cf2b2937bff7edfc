/**
 * The graph of one serving step. It serves prefill and decode: it reads the past keys and values, and returns only those of
 * the new tokens (docs/architecture.md).
 *
 * Sizes: those of llama.ts; S new tokens of each row, P places in the past, T = P + S.
 *
 * Adapters (Hu et al. 2021): y = x W^T + (x A^T) B, where a row's rank rows lie in the slabs A [B, R, in] and B [B, R, out].
 * Every row has its own slab, or all share one (first size 1). With DoRA the product x W^T is multiplied by a gain for each
 * output, too (dora.ts). The graph has three branches that share the weights: with adapters and gains, with adapters alone, and
 * without, for steps in which no row has any.
 */
import { type BaseConfig, baseTensors } from '../../adapter/base-config.ts';
import { Graph, type Tensor } from '../graph/graph.ts';
import * as op from '../graph/operations.ts';
import {
  EMBEDDING,
  HEAD,
  LINEAR_KINDS,
  Llama,
  layersOf,
  linearSizes,
  modulePath,
  type RotaryInputs,
  rotaryInputs,
  type WeightSource,
} from './llama.ts';

/** Without adapters, with them, with DoRA among them: each computes no more than it must. */
export const WAYS = ['plain', 'adapted', 'gained'] as const;
export type Way = (typeof WAYS)[number];

/** Names of the graph's inputs and outputs, shared with whoever feeds it. */
export const IO = {
  tokens: 'tokens',
  embeddingDelta: 'embedding_delta',
  mask: 'mask',
  /** True for one of them. */
  way: (way: Way) => way,
  gains: 'gains',
  pastKey: (layer: number) => `past_key.${layer}`,
  pastValue: (layer: number) => `past_value.${layer}`,
  slabA: (module: string) => `${module}.lora_A`,
  slabB: (module: string) => `${module}.lora_B`,
  logits: (way: Way) => `logits.${way}`,
  newKeyValue: (way: Way) => `new_key_value.${way}`,
} as const;

export function buildStep(config: BaseConfig, weights: WeightSource): Graph {
  return new StepGraph(config, weights).graph;
}

/** The linears in the order in which their gains lie in one tensor, with their outputs. */
export function gainedOutputs(config: BaseConfig): [path: string, outputs: number][] {
  const sizes = linearSizes(config);
  return LINEAR_KINDS.flatMap((kind) =>
    Array.from({ length: layersOf(kind, config) }, (_, layer): [string, number] => [
      modulePath(kind, layer),
      sizes[kind].out,
    ]),
  );
}

interface Slab {
  readonly a: Tensor;
  readonly b: Tensor;
}

class StepGraph {
  readonly graph = new Graph();
  private readonly config: BaseConfig;
  /** By their name in the checkpoint; those of linears transposed, [in, out]. */
  private readonly weights: ReadonlyMap<string, Tensor>;
  private readonly tokens: Tensor;
  private readonly embeddingDelta: Tensor;
  private readonly rotary: RotaryInputs;
  private readonly mask: Tensor;
  private readonly past: readonly { key: Tensor; value: Tensor }[];
  /** [P, S]: where the probabilities of the past end. */
  private readonly pastAndNew: Tensor;

  constructor(config: BaseConfig, source: WeightSource) {
    this.config = config;
    const { graph } = this;
    const { kvHeads, headDim, layers, hiddenSize } = config;

    this.weights = this.openWeights(source);
    this.tokens = graph.input(IO.tokens, 'int32', ['B', 'S']);
    this.embeddingDelta = graph.input(IO.embeddingDelta, 'float32', ['B|1', 'S|1', hiddenSize]);
    this.rotary = rotaryInputs(graph, config);
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

    const gains = graph.input(IO.gains, 'float32', ['B|1', 1, 'O']);
    const ways: Record<Way, () => Tensor[]> = {
      plain: () => this.forward(),
      adapted: () => this.forward(slabs),
      gained: () => this.forward(slabs, this.splitGains(gains)),
    };
    for (const way of WAYS) {
      const chosen = graph.input(IO.way(way), 'bool', []);
      const otherwise = [this.embeddingDelta, this.mask]; // small, and never read
      const [logits, newKeyValue] = op.onlyIf(graph, chosen, way, ways[way], otherwise);
      graph.output(logits!, IO.logits(way));
      graph.output(newKeyValue!, IO.newKeyValue(way));
    }
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
  private openSlabs(): Map<string, Slab> {
    const { graph, config } = this;
    const sizes = linearSizes(config);
    const slabs = new Map<string, Slab>();
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

  /** By module, each [B|1, 1, out]. */
  private splitGains(gains: Tensor): Map<string, Tensor> {
    const { graph } = this;
    const outputs = gainedOutputs(this.config);
    const sizes = outputs.map(([, out]) => out);
    const parts = splitInto(graph, gains, sizes);
    return new Map(outputs.map(([path], i) => [path, parts[i]!]));
  }

  /** @returns logits [B, 1, V] after the last token; [B, kvHeads, 2 * layers, S, d], key and value of each layer in turn */
  private forward(slabs?: ReadonlyMap<string, Slab>, gains?: ReadonlyMap<string, Tensor>): Tensor[] {
    const { graph, config } = this;
    const fresh: Tensor[] = [];
    const linear = (x: Tensor, path: string) => this.linear(x, path, slabs?.get(path), gains?.get(path));
    const llama = new Llama(graph, config, {
      rotary: this.rotary,
      weight: (name) => this.weights.get(name)!,
      linear,
      attend: (query, key, value, layer) => {
        fresh.push(key, value);
        return this.attend(query, key, value, this.past[layer]!);
      },
    });
    const embedded = op.gather(graph, this.weights.get(EMBEDDING)!, this.tokens);
    const x = llama.layers(op.add(graph, embedded, this.embeddingDelta)); // [B, S, H]
    const h = llama.norm(op.last(graph, x, 1), 'model.norm'); // [B, 1, H]
    return [linear(h, 'lm_head'), op.concat(graph, fresh, 2, 2 * config.layers)];
  }

  private linear(x: Tensor, path: string, slab?: Slab, gain?: Tensor): Tensor {
    const { graph } = this;
    const unscaled = op.matmul(graph, x, this.weights.get(`${path}.weight`)!);
    const product = gain ? op.mul(graph, unscaled, gain) : unscaled;
    const bias = this.weights.get(`${path}.bias`);
    const y = bias ? op.add(graph, product, bias) : product;
    if (!slab) return y;
    const u = op.matmul(graph, x, slab.a, { transposeB: true }); // [1, B, S, R]
    return op.add(graph, y, op.squeeze(graph, op.matmul(graph, u, slab.b), 2));
  }

  /** Past and new are scored apart and share one softmax: the past is read where it lies and never copied. */
  private attend(query: Tensor, key: Tensor, value: Tensor, past: { key: Tensor; value: Tensor }): Tensor {
    const { graph } = this;
    const onto = (keys: Tensor) => op.matmul(graph, query, keys, { transposeB: true });
    const scores = op.concat(graph, [onto(past.key), onto(key)], -1, 'T'); // [B, kvHeads, group, S, T]
    const probabilities = op.softmax(graph, op.add(graph, scores, this.mask));
    const [onPast, onNew] = op.split(graph, probabilities, this.pastAndNew, ['P', 'S']);
    return op.add(graph, op.matmul(graph, onPast!, past.value), op.matmul(graph, onNew!, value));
  }
}

/** A kernel on WebGPU has twelve buffers at most, input and lengths among them: many parts are parts of parts. */
const MOST_PARTS = 8;

function splitInto(graph: Graph, x: Tensor, sizes: readonly number[]): Tensor[] {
  if (sizes.length <= MOST_PARTS) {
    return op.split(graph, x, graph.constant('int64', sizes, [sizes.length]), sizes);
  }
  const each = Math.ceil(sizes.length / MOST_PARTS);
  const groups: number[][] = [];
  for (let i = 0; i < sizes.length; i += each) groups.push(sizes.slice(i, i + each));
  const sums = groups.map((group) => group.reduce((sum, size) => sum + size, 0));
  return splitInto(graph, x, sums).flatMap((part, i) => splitInto(graph, part, groups[i]!));
}
