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
  EMBEDDING_MODULE,
  HEAD,
  HEAD_MODULE,
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
  magnitude: (module: string) => `${module}.lora_magnitude`,
  /** Columns of the token embedding's A for the tokens of the batch, [G, T, R]. */
  embeddingColumns: 'embedding_columns',
  losses: 'losses',
  hits: 'hits',
  gradientA: (module: string) => `${module}.lora_A.gradient`,
  gradientB: (module: string) => `${module}.lora_B.gradient`,
  gradientColumns: 'embedding_columns.gradient',
  gradientMagnitude: (module: string) => `${module}.lora_magnitude.gradient`,
  weight: (name: string) => name,
  gradient: (name: string) => `${name}.gradient`,
} as const;

interface Lora {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly scale: Tensor;
  /** With DoRA: the length of each row of the adapted weight, [G, out, 1]. */
  readonly magnitude: Tensor | undefined;
}

export interface TrainingGraphSettings {
  /**
   * Paths of the linears that are trained, and of the token embedding. Where the head is among them, a batch has one group:
   * its chunks are cut without regard to groups.
   */
  readonly modules: readonly string[];
  /** Whether rows of the adapted weights have lengths of their own (DoRA). */
  readonly dora: boolean;
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

function parametersOf({ a, b, magnitude }: Lora): Tensor[] {
  return magnitude ? [a, b, magnitude] : [a, b];
}

class TrainingGraph {
  readonly graph = new Graph();
  private readonly config: BaseConfig;
  private readonly trained: ReadonlySet<string>;
  private readonly weights: ReadonlyMap<string, Tensor>;
  private readonly loras: ReadonlyMap<string, Lora>;
  /** Its a is what was gathered of A. */
  private readonly embeddingLora: Lora | undefined;
  /** Without groups. */
  private readonly headLora: Lora | undefined;
  private readonly tokens: Tensor;
  private readonly mask: Tensor;
  private readonly rotary: RotaryInputs;
  private readonly groups: Tensor;
  /** Tensors [B, S, n] as [G, T, n]. */
  private readonly grouped = new Map<Tensor, Tensor>();
  /** By n, the sizes of both: a graph of many layers would work them out hundreds of times. */
  private readonly sizes = new Map<number, { readonly grouped: Tensor; readonly apart: Tensor }>();

  constructor(
    config: BaseConfig,
    source: WeightSource,
    { modules, dora, weights, wanted, gradientCheckpointing }: TrainingGraphSettings,
  ) {
    this.config = config;
    const { graph } = this;
    this.trained = new Set(weights);
    this.weights = this.openWeights(source);
    this.tokens = graph.input(TRAINING_IO.tokens, 'int32', ['B', 'S']);
    this.mask = graph.input(TRAINING_IO.mask, 'float32', ['B', 1, 1, 'S', 'S']);
    this.rotary = rotaryInputs(graph, config);
    this.groups = graph.input(TRAINING_IO.groups, 'int64', [1]);
    const ofLayers = modules.filter((path) => path.startsWith('model.layers.'));
    this.loras = new Map(ofLayers.map((path) => [path, this.openLora(path, dora)]));
    this.embeddingLora = modules.includes(EMBEDDING_MODULE) ? this.openEmbeddingLora() : undefined;
    this.headLora = modules.includes(HEAD_MODULE) ? this.openHeadLora() : undefined;

    const llama = new Llama(graph, config, {
      rotary: this.rotary,
      weight: (name) => this.weights.get(name)!,
      linear: (x, path) => this.linear(x, path),
      attend: (query, key, value) => this.attend(query, key, value),
    });
    const embedded = this.embed();
    const x = gradientCheckpointing ? this.recomputedLayers(llama, embedded) : llama.layers(embedded);
    const hidden = this.targets(llama, x);
    const seeds = this.loss(hidden, wanted);
    if (wanted === 'gradients') this.outputGradients(seeds);
  }

  /** E[token] + scale (A[:, token])^T B^T */
  private embed(): Tensor {
    const { graph } = this;
    const embedded = op.gather(graph, this.weights.get(EMBEDDING)!, this.tokens);
    const lora = this.embeddingLora;
    if (!lora) return embedded;
    const delta = op.matmul(graph, op.mul(graph, lora.a, lora.scale), lora.b, { transposeB: true });
    return op.add(graph, embedded, this.ungroup(delta));
  }

  private openEmbeddingLora(): Lora {
    const { graph, config } = this;
    const rank = `R_${EMBEDDING_MODULE}`;
    return {
      a: graph.input(TRAINING_IO.embeddingColumns, 'float32', ['G', 'T', rank]),
      b: graph.input(TRAINING_IO.b(EMBEDDING_MODULE), 'float32', ['G', config.hiddenSize, rank]),
      scale: graph.input(TRAINING_IO.scale(EMBEDDING_MODULE), 'float32', ['G', 1, 1]),
      magnitude: undefined,
    };
  }

  private openHeadLora(): Lora {
    const { graph, config } = this;
    const rank = `R_${HEAD_MODULE}`;
    return {
      a: graph.input(TRAINING_IO.a(HEAD_MODULE), 'float32', [rank, config.hiddenSize]),
      b: graph.input(TRAINING_IO.b(HEAD_MODULE), 'float32', [config.vocabSize, rank]),
      scale: graph.input(TRAINING_IO.scale(HEAD_MODULE), 'float32', [1, 1]),
      magnitude: undefined,
    };
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
      const adapters = [...this.loras]
        .filter(([path]) => isOwn(path))
        .flatMap(([, lora]) => parametersOf(lora));
      const weights = [...this.trained].filter(isOwn).map((name) => this.weights.get(name)!);
      x = recomputed(this.graph, x, [...adapters, ...weights], (input) => llama.layer(input, layer));
    }
    return x;
  }

  private outputGradients(seeds: readonly Seed[]): void {
    const { graph } = this;
    const outputs = [
      ...[...this.loras].flatMap(([path, { a, b, magnitude }]) => [
        [a, TRAINING_IO.gradientA(path)] as const,
        [b, TRAINING_IO.gradientB(path)] as const,
        ...(magnitude ? [[magnitude, TRAINING_IO.gradientMagnitude(path)] as const] : []),
      ]),
      ...this.edgeOutputs(),
      ...[...this.trained].map((name) => [this.weights.get(name)!, TRAINING_IO.gradient(name)] as const),
    ];
    const found = gradients(
      graph,
      seeds,
      outputs.map(([tensor]) => tensor),
    );
    for (const [i, [, name]] of outputs.entries()) graph.output(found[i]!, name);
  }

  /** Of the adapters below the first layer and above the last. */
  private edgeOutputs(): (readonly [Tensor, string])[] {
    const { embeddingLora, headLora } = this;
    const outputs: (readonly [Tensor, string])[] = [];
    if (embeddingLora) {
      outputs.push([embeddingLora.a, TRAINING_IO.gradientColumns]);
      outputs.push([embeddingLora.b, TRAINING_IO.gradientB(EMBEDDING_MODULE)]);
    }
    if (headLora) {
      outputs.push([headLora.a, TRAINING_IO.gradientA(HEAD_MODULE)]);
      outputs.push([headLora.b, TRAINING_IO.gradientB(HEAD_MODULE)]);
    }
    return outputs;
  }

  private openLora(path: string, dora: boolean): Lora {
    const { graph } = this;
    const [outputs, inputs] = this.weights.get(`${path}.weight`)!.shape;
    return {
      a: graph.input(TRAINING_IO.a(path), 'float32', ['G', `R_${path}`, inputs!]),
      b: graph.input(TRAINING_IO.b(path), 'float32', ['G', outputs!, `R_${path}`]),
      scale: graph.input(TRAINING_IO.scale(path), 'float32', ['G', 1, 1]),
      magnitude: dora ? graph.input(TRAINING_IO.magnitude(path), 'float32', ['G', outputs!, 1]) : undefined,
    };
  }

  /**
   * y = x W^T + bias + scale (x A^T) B^T (Hu et al. 2021); with DoRA (Liu et al. 2024) what is not bias is multiplied by
   * magnitude / |W + scale B A|. Weights stay as the checkpoint has them, [out, in].
   */
  private linear(x: Tensor, path: string): Tensor {
    const { graph } = this;
    const weight = this.weights.get(`${path}.weight`)!;
    const product = op.matmul(graph, x, weight, { transposeB: true });
    const bias = this.weights.get(`${path}.bias`);
    const biased = (y: Tensor) => (bias ? op.add(graph, y, bias) : y);
    const lora = this.loras.get(path);
    if (!lora) return biased(product);
    const u = op.matmul(graph, this.group(x), lora.a, { transposeB: true }); // [G, T, R]
    const delta = op.matmul(graph, op.mul(graph, u, lora.scale), lora.b, { transposeB: true });
    if (!lora.magnitude) return op.add(graph, biased(product), this.ungroup(delta));
    const gain = op.div(graph, lora.magnitude, op.detached(graph, this.rowLengths(weight, lora))); // [G, out, 1]
    const whole = op.add(graph, this.group(product), delta);
    return biased(this.ungroup(op.scaleColumns(graph, whole, op.transpose(graph, gain, [0, 2, 1]))));
  }

  /**
   * |W + s B A| by rows, [G, out, 1], without the sum itself: |W|^2 + 2 s B . (A W^T)^T + s^2 B . (B A A^T), where A goes through
   * the linear like a few more tokens.
   */
  private rowLengths(weight: Tensor, { a, b, scale }: Lora): Tensor {
    const { graph } = this;
    const frozen = op.reduceSum(graph, op.mul(graph, weight, weight), [1], true); // [out, 1]; folded when it is loaded
    const across = op.transpose(graph, op.matmul(graph, a, weight, { transposeB: true }), [0, 2, 1]); // [G, out, R]
    const within = op.matmul(graph, b, op.matmul(graph, a, a, { transposeB: true })); // [G, out, R]
    const two = graph.constant('float32', [2], []);
    const mixed = op.add(graph, op.mul(graph, across, two), op.mul(graph, within, scale));
    const dot = op.reduceSum(graph, op.mul(graph, b, mixed), [2], true); // [G, out, 1]
    return op.sqrt(graph, op.add(graph, frozen, op.mul(graph, dot, scale)));
  }

  private group(x: Tensor): Tensor {
    let grouped = this.grouped.get(x);
    if (!grouped) {
      const width = Number(x.shape[2]);
      grouped = op.reshapeTo(this.graph, x, this.sizesOf(width).grouped, ['G', 'T', width]);
      this.grouped.set(x, grouped);
    }
    return grouped;
  }

  private ungroup(x: Tensor): Tensor {
    const width = Number(x.shape[2]);
    return op.reshapeTo(this.graph, x, this.sizesOf(width).apart, ['B', 'S', width]);
  }

  private sizesOf(width: number) {
    const { graph, tokens, groups } = this;
    let sizes = this.sizes.get(width);
    if (!sizes) {
      const grouped = op.concat(graph, [groups, graph.constant('int64', [-1, width])], 0, 3);
      const batch = [op.sizeOf(graph, tokens, 0), op.sizeOf(graph, tokens, 1)];
      const apart = op.concat(graph, [...batch, graph.constant('int64', [width])], 0, 3);
      this.sizes.set(width, (sizes = { grouped, apart }));
    }
    return sizes;
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
    const { graph, config, headLora } = this;
    const labels = graph.input(TRAINING_IO.labels, 'int64', ['K', HEAD_CHUNK, 1]);
    const weights = graph.input(TRAINING_IO.weights, 'float32', ['K', HEAD_CHUNK, 1]);
    const head = this.weights.get(config.tieEmbeddings ? EMBEDDING : HEAD)!;
    const trained = wanted === 'gradients' ? this.trainedHead(head) : [];
    const zeros = trained.map(({ zero }) => zero);
    const results = op.scan(graph, 'head', zeros, [hidden, labels, weights], (sums, [h, label, weight]) => {
      const u =
        headLora && op.mul(graph, op.matmul(graph, h!, headLora.a, { transposeB: true }), headLora.scale);
      const own = op.matmul(graph, h!, head, { transposeB: true }); // [C, V]
      const logits = u ? op.add(graph, own, op.matmul(graph, u, headLora!.b, { transposeB: true })) : own;
      const p = op.softmax(graph, logits);
      const highest = op.reduceMax(graph, logits);
      const logSum = op.sub(graph, highest, op.log(graph, op.reduceMax(graph, p)));
      const scored = op.gatherElements(graph, logits, label!);
      const losses = [op.sub(graph, logSum, scored), op.atLeast(graph, scored, highest)];
      if (wanted === 'losses') return losses;
      // The gradient of the scores is p - onehot(label).
      if (trained.length === 0) {
        const target = op.gather(graph, head, op.reshape(graph, label!, [HEAD_CHUNK])); // [C, H]
        return [...losses, op.mul(graph, weight!, op.sub(graph, op.matmul(graph, p, head), target))];
      }
      const minusOnes = graph.constant('float32', Array<number>(HEAD_CHUNK).fill(-1), [HEAD_CHUNK, 1]);
      const errors = op.mul(graph, weight!, op.scatterAdd(graph, p, label!, minusOnes, 1)); // [C, V]
      const du = headLora && op.mul(graph, op.matmul(graph, errors, headLora.b), headLora.scale); // [C, R]
      const below = op.matmul(graph, errors, head);
      const chunk = { h: h!, u, errors, du };
      return [
        ...trained.map(({ gradient }, i) => op.add(graph, sums[i]!, gradient(chunk))),
        ...losses,
        du ? op.add(graph, below, op.matmul(graph, du, headLora!.a)) : below,
      ];
    });
    const [losses, hits, gradient] = results.slice(trained.length);
    graph.output(losses!, TRAINING_IO.losses);
    graph.output(hits!, TRAINING_IO.hits);
    if (!gradient) return [];
    return [[hidden, gradient], ...trained.map(({ tensor }, i): Seed => [tensor, results[i]!])];
  }

  /** What is trained of the head, with its gradient from one chunk. */
  private trainedHead(head: Tensor): TrainedHead[] {
    const { graph, headLora } = this;
    const name = this.config.tieEmbeddings ? EMBEDDING : HEAD;
    const parts: TrainedHead[] = [];
    if (this.trained.has(name))
      parts.push({
        tensor: head,
        zero: op.zeros(graph, head.shape.map(Number)),
        gradient: ({ errors, h }) => op.matmul(graph, errors, h, { transposeA: true }),
      });
    if (!headLora) return parts;
    const nothing = (tensor: Tensor) => op.mul(graph, tensor, graph.constant('float32', [0], []));
    const { a, b } = headLora;
    return [
      ...parts,
      {
        tensor: a,
        zero: nothing(a),
        gradient: ({ du, h }) => op.matmul(graph, du!, h, { transposeA: true }),
      },
      {
        tensor: b,
        zero: nothing(b),
        gradient: ({ errors, u }) => op.matmul(graph, errors, u!, { transposeA: true }),
      },
    ];
  }
}

/** Of a chunk of C tokens: h [C, H]; with an adapter u = scale h A^T and its gradient du, [C, R]; errors [C, V] of the scores. */
interface HeadChunk {
  readonly h: Tensor;
  readonly u: Tensor | undefined;
  readonly errors: Tensor;
  readonly du: Tensor | undefined;
}

interface TrainedHead {
  readonly tensor: Tensor;
  readonly zero: Tensor;
  gradient(chunk: HeadChunk): Tensor;
}
