/**
 * The graph of one training step: loss of a batch, and the gradients of what is being trained: adapters, and, to compare them
 * with, weights and biases of the base. The model is the one of ../model/llama.ts; weights that stay as they are are constants,
 * and no gradient of theirs is worked out.
 *
 * Several jobs share a step. Rows of the batch belong to groups, one for each job, G in all and B / G rows each; a group has
 * its own rank rows, A [G, R, in] and B [G, out, R] (PEFT's order), and its sums run over its own tokens alone.
 *
 * Sizes: those of llama.ts; T tokens of a group; K chunks of C tokens with a target; V the vocabulary.
 */
import { type BaseConfig, baseTensors } from '../../adapter/base-config.ts';
import { gradients, recomputed, type Seed } from '../graph/gradients.ts';
import { Graph, type Tensor } from '../graph/graph.ts';
import * as op from '../graph/operations.ts';
import {
  EMBEDDING,
  HEAD,
  Llama,
  type RotaryInputs,
  rotaryInputs,
  type WeightSource,
} from '../model/llama.ts';

/** Tokens whose scores over the vocabulary are in memory at the same time. */
export const HEAD_CHUNK = 128;

/** Names of the graph's inputs and outputs, shared with whoever feeds it. */
export const TRAINING_IO = {
  tokens: 'tokens',
  mask: 'mask',
  groups: 'groups',
  places: 'places',
  back: 'back',
  labels: 'labels',
  weights: 'weights',
  a: (module: string) => `${module}.lora_A`,
  b: (module: string) => `${module}.lora_B`,
  scale: (module: string) => `${module}.scale`,
  losses: 'losses',
  hits: 'hits',
  gradientA: (module: string) => `${module}.lora_A.gradient`,
  gradientB: (module: string) => `${module}.lora_B.gradient`,
  weight: (name: string) => name,
  gradient: (name: string) => `${name}.gradient`,
} as const;

interface Lora {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly scale: Tensor;
}

export interface TrainingGraphSettings {
  /** Paths of the linears that are trained. */
  readonly modules: readonly string[];
  /** Names of the checkpoint's tensors that are trained themselves; a linear without a bias is given one, if it is named. */
  readonly weights: readonly string[];
  readonly wanted: 'losses' | 'gradients';
  /** Keep nothing of a layer but its input for the way back: less memory, a third more work. */
  readonly gradientCheckpointing: boolean;
}

export function buildTraining(
  config: BaseConfig,
  source: WeightSource,
  settings: TrainingGraphSettings,
): Graph {
  return new TrainingGraph(config, source, settings).graph;
}

class TrainingGraph {
  readonly graph = new Graph();
  private readonly config: BaseConfig;
  private readonly trained: ReadonlySet<string>;
  private readonly weights: ReadonlyMap<string, Tensor>;
  private readonly loras: ReadonlyMap<string, Lora>;
  private readonly tokens: Tensor;
  private readonly mask: Tensor;
  private readonly rotary: RotaryInputs;
  private readonly groups: Tensor;
  /** Tensors [B, S, n] as [G, T, n]. */
  private readonly grouped = new Map<Tensor, Tensor>();

  constructor(
    config: BaseConfig,
    source: WeightSource,
    { modules, weights, wanted, gradientCheckpointing }: TrainingGraphSettings,
  ) {
    this.config = config;
    const { graph } = this;
    this.trained = new Set(weights);
    this.weights = this.openWeights(source);
    this.tokens = graph.input(TRAINING_IO.tokens, 'int32', ['B', 'S']);
    this.mask = graph.input(TRAINING_IO.mask, 'float32', ['B', 1, 1, 'S', 'S']);
    this.rotary = rotaryInputs(graph, config);
    this.groups = graph.input(TRAINING_IO.groups, 'int64', [1]);
    this.loras = new Map(modules.map((path) => [path, this.openLora(path)]));

    const llama = new Llama(graph, config, {
      rotary: this.rotary,
      weight: (name) => this.weights.get(name)!,
      linear: (x, path) => this.linear(x, path),
      attend: (query, key, value) => this.attend(query, key, value),
    });
    const embedded = op.gather(graph, this.weights.get(EMBEDDING)!, this.tokens);
    const x = gradientCheckpointing ? this.recomputedLayers(llama, embedded) : llama.layers(embedded);
    const hidden = this.targets(llama, x);
    const seeds = this.loss(hidden, wanted);
    if (wanted === 'gradients') this.outputGradients(seeds);
  }

  private openWeights(source: WeightSource): Map<string, Tensor> {
    const { graph } = this;
    const shapes = new Map(baseTensors(this.config));
    for (const name of this.trained) {
      const outputs = shapes.get(name.replace(/bias$/, 'weight'))?.[0];
      if (!shapes.has(name) && outputs) shapes.set(name, [outputs]);
    }
    return new Map(
      [...shapes].map(([name, shape]) => [
        name,
        this.trained.has(name)
          ? graph.input(TRAINING_IO.weight(name), 'float32', shape)
          : graph.weight(name, 'float32', shape, source(name)),
      ]),
    );
  }

  private recomputedLayers(llama: Llama, embedded: Tensor): Tensor {
    let x = embedded;
    for (let layer = 0; layer < this.config.layers; layer++) {
      const isOwn = (name: string) => name.startsWith(`model.layers.${layer}.`);
      const adapters = [...this.loras].filter(([path]) => isOwn(path)).flatMap(([, { a, b }]) => [a, b]);
      const weights = [...this.trained].filter(isOwn).map((name) => this.weights.get(name)!);
      x = recomputed(this.graph, x, [...adapters, ...weights], (input) => llama.layer(input, layer));
    }
    return x;
  }

  private outputGradients(seeds: readonly Seed[]): void {
    const { graph } = this;
    const outputs = [
      ...[...this.loras].flatMap(([path, { a, b }]) => [
        [a, TRAINING_IO.gradientA(path)] as const,
        [b, TRAINING_IO.gradientB(path)] as const,
      ]),
      ...[...this.trained].map((name) => [this.weights.get(name)!, TRAINING_IO.gradient(name)] as const),
    ];
    const found = gradients(
      graph,
      seeds,
      outputs.map(([tensor]) => tensor),
    );
    for (const [i, [, name]] of outputs.entries()) graph.output(found[i]!, name);
  }

  private openLora(path: string): Lora {
    const { graph } = this;
    const [outputs, inputs] = this.weights.get(`${path}.weight`)!.shape;
    return {
      a: graph.input(TRAINING_IO.a(path), 'float32', ['G', `R_${path}`, inputs!]),
      b: graph.input(TRAINING_IO.b(path), 'float32', ['G', outputs!, `R_${path}`]),
      scale: graph.input(TRAINING_IO.scale(path), 'float32', ['G', 1, 1]),
    };
  }

  /** y = x W^T + bias + scale (x A^T) B^T (Hu et al. 2021). Weights stay as the checkpoint has them, [out, in]. */
  private linear(x: Tensor, path: string): Tensor {
    const { graph } = this;
    const product = op.matmul(graph, x, this.weights.get(`${path}.weight`)!, { transposeB: true });
    const bias = this.weights.get(`${path}.bias`);
    const y = bias ? op.add(graph, product, bias) : product;
    const lora = this.loras.get(path);
    if (!lora) return y;
    const u = op.matmul(graph, this.group(x), lora.a, { transposeB: true }); // [G, T, R]
    const delta = op.matmul(graph, op.mul(graph, u, lora.scale), lora.b, { transposeB: true });
    return op.add(graph, y, this.ungroup(delta));
  }

  private group(x: Tensor): Tensor {
    let grouped = this.grouped.get(x);
    if (!grouped) {
      const { graph } = this;
      const width = Number(x.shape[2]);
      const target = op.concat(graph, [this.groups, graph.constant('int64', [-1, width])], 0, 3);
      grouped = op.reshapeTo(graph, x, target, ['G', 'T', width]);
      this.grouped.set(x, grouped);
    }
    return grouped;
  }

  private ungroup(x: Tensor): Tensor {
    const { graph, tokens } = this;
    const width = Number(x.shape[2]);
    const sizes = [
      op.sizeOf(graph, tokens, 0),
      op.sizeOf(graph, tokens, 1),
      graph.constant('int64', [width]),
    ];
    return op.reshapeTo(graph, x, op.concat(graph, sizes, 0, 3), ['B', 'S', width]);
  }

  private attend(query: Tensor, key: Tensor, value: Tensor): Tensor {
    const { graph } = this;
    const scores = op.matmul(graph, query, key, { transposeB: true }); // [B, kvHeads, group, S, S]
    return op.matmul(graph, op.softmax(graph, op.add(graph, scores, this.mask)), value);
  }

  /** The normed hidden states of the tokens that have a target, in chunks: [K, C, H]. */
  private targets(llama: Llama, x: Tensor): Tensor {
    const { graph } = this;
    const { hiddenSize } = this.config;
    const places = graph.input(TRAINING_IO.places, 'int64', ['N']);
    const back = graph.input(TRAINING_IO.back, 'int64', ['B S']);
    const picked = llama.norm(op.pick(graph, op.asMatrix(graph, x), places, back), 'model.norm');
    const chunks = graph.constant('int64', [-1, HEAD_CHUNK, hiddenSize]);
    return op.reshapeTo(graph, picked, chunks, ['K', HEAD_CHUNK, hiddenSize]);
  }

  /**
   * Cross-entropy, chunk by chunk: scores over the vocabulary are never in memory for more than HEAD_CHUNK tokens, and their
   * gradient is never written out at all unless the head is trained.
   * @returns where the way back begins, from the same pass: the hidden states, and the head if it is trained
   */
  private loss(hidden: Tensor, wanted: 'losses' | 'gradients'): Seed[] {
    const { graph, config } = this;
    const labels = graph.input(TRAINING_IO.labels, 'int64', ['K', HEAD_CHUNK, 1]);
    const weights = graph.input(TRAINING_IO.weights, 'float32', ['K', HEAD_CHUNK, 1]);
    const name = config.tieEmbeddings ? EMBEDDING : HEAD;
    const head = this.weights.get(name)!;
    const trainsHead = wanted === 'gradients' && this.trained.has(name);
    const states = trainsHead ? [op.zeros(graph, head.shape.map(Number))] : [];
    const results = op.scan(graph, 'head', states, [hidden, labels, weights], ([sum], [h, label, weight]) => {
      const logits = op.matmul(graph, h!, head, { transposeB: true }); // [C, V]
      const p = op.softmax(graph, logits);
      const highest = op.reduceMax(graph, logits);
      const logSum = op.sub(graph, highest, op.log(graph, op.reduceMax(graph, p)));
      const scored = op.gatherElements(graph, logits, label!);
      const losses = [op.sub(graph, logSum, scored), op.atLeast(graph, scored, highest)];
      if (wanted === 'losses') return losses;
      // The gradient of the scores is p - onehot(label).
      if (!sum) {
        const target = op.gather(graph, head, op.reshape(graph, label!, [HEAD_CHUNK])); // [C, H]
        return [...losses, op.mul(graph, weight!, op.sub(graph, op.matmul(graph, p, head), target))];
      }
      const minusOnes = graph.constant('float32', Array<number>(HEAD_CHUNK).fill(-1), [HEAD_CHUNK, 1]);
      const errors = op.mul(graph, weight!, op.scatterAdd(graph, p, label!, minusOnes, 1)); // [C, V]
      const total = op.add(graph, sum, op.matmul(graph, errors, h!, { transposeA: true }));
      return [total, ...losses, op.matmul(graph, errors, head)];
    });
    const [losses, hits, gradient] = trainsHead ? results.slice(1) : results;
    graph.output(losses!, TRAINING_IO.losses);
    graph.output(hits!, TRAINING_IO.hits);
    if (!gradient) return [];
    const below: Seed = [hidden, gradient];
    return trainsHead ? [below, [head, results[0]!]] : [below];
  }
}
