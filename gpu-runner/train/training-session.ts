/**
 * One pass of a training graph: a micro-batch for each job goes in, losses and gradients come out. Nothing here remembers
 * anything; jobs hold their own state.
 */
import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BaseConfig, baseTensors } from '../../adapter/base-config.ts';
import { writeOnnx } from '../graph/onnx.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import { EMBEDDING_MODULE, HEAD_MODULE } from '../model/llama.ts';
import { RotaryTable } from '../model/rotary.ts';
import { type Feed, floats, int32s, int64s, Session } from '../session.ts';
import { embeddingFeeds, headFeeds, spread } from './edge-adapters.ts';
import { columns, widestRank } from './ranks.ts';
import { Targets } from './targets.ts';
import { buildTraining, TRAINING_IO as IO, type TrainingGraphSettings } from './training-graph.ts';

/** Added to the score of a token that must not be seen. Finite, so that a row of padding alone does not turn into NaN. */
const HIDDEN = -1e30;

/** Sequences of a job, padded to one length. A row may hold several sequences, which do not see each other. */
export interface MicroBatch {
  readonly rows: number;
  readonly length: number;
  /** All [rows * length]. */
  readonly tokens: Int32Array;
  readonly positions: Int32Array;
  /** Which sequence of its row a token belongs to, from 1; 0: padding. */
  readonly segments: Int32Array;
  /** The token to foretell at each place; -1: none. */
  readonly targets: Int32Array;
  readonly weights: Float32Array;
}

/** The matrices of one module as PEFT stores them: a [rank, in], b [out, rank]. */
export interface LoraMatrices {
  readonly rank: number;
  readonly scale: number;
  readonly a: Float32Array;
  readonly b: Float32Array;
  /** [out], in a session that trains with DoRA. */
  readonly magnitude?: Float32Array;
}

export interface Group {
  readonly batch: MicroBatch;
  /** The weights of all micro-batches of the job's step together. */
  readonly targetWeight: number;
  readonly modules: ReadonlyMap<string, LoraMatrices>;
  /** Of a session that trains weights of the base: their values. Such a session has one group. */
  readonly weights?: ReadonlyMap<string, Float32Array>;
}

export interface LossResult {
  /** Sum of weight times loss over this micro-batch. */
  readonly loss: number;
  /** Targets that the model gave the highest score. */
  readonly hits: number;
  readonly targets: number;
}

/** By module path; those of a magnitude where there is one. */
export type Gradients = ReadonlyMap<
  string,
  { readonly a: Float32Array; readonly b: Float32Array; readonly magnitude?: Float32Array }
>;

export interface GroupResult extends LossResult {
  /** Of loss / targetWeight. */
  readonly gradients: Gradients;
  readonly weightGradients: ReadonlyMap<string, Float32Array>;
}

/** What a session trains: adapters of these linears, these tensors of the base. */
export interface Trained {
  readonly modules: readonly string[];
  readonly dora?: boolean;
  readonly weights?: readonly string[];
}

export interface TrainingSettings {
  readonly threads: number;
  readonly gradientCheckpointing?: boolean;
  /**
   * Frozen weights lie in memory as the kernels read them, once for the way forward and once for the way back; else they are read
   * where the checkpoint has them, and put in order for every product. Sums are taken in another order, so the last bits differ.
   */
  readonly packedWeights?: boolean;
}

/** A session, wherever it runs. Groups of one call have batches of the same rows and length. */
export interface TrainingPasses {
  run(groups: readonly Group[]): Promise<GroupResult[]>;
  /** Losses alone. */
  evaluate(groups: readonly Group[]): Promise<LossResult[]>;
  release(): Promise<void>;
}

export class TrainingSession implements TrainingPasses {
  private readonly session: Session;
  private readonly config: BaseConfig;
  private readonly modules: readonly string[];
  private readonly dora: boolean;
  private readonly weights: readonly string[];
  private readonly rotary: RotaryTable;
  private readonly openEvaluation: () => Promise<Session>;
  private evaluation: Promise<Session> | undefined;
  private readonly stacks = new Map<string, Float32Array>();

  private constructor(
    session: Session,
    config: BaseConfig,
    { modules, dora, weights }: Trained,
    openEvaluation: () => Promise<Session>,
  ) {
    this.session = session;
    this.config = config;
    this.modules = modules;
    this.dora = dora ?? false;
    this.weights = weights ?? [];
    this.rotary = new RotaryTable(config);
    this.openEvaluation = openEvaluation;
  }

  static async open(
    checkpoint: Checkpoint,
    trained: Trained,
    { threads, gradientCheckpointing = false, packedWeights = false }: TrainingSettings,
  ): Promise<TrainingSession> {
    const graph = { dora: false, weights: [], ...trained };
    const session = await openGraph(
      checkpoint,
      { ...graph, wanted: 'gradients', gradientCheckpointing },
      { threads, packedWeights },
    );
    const openEvaluation = () =>
      openGraph(
        checkpoint,
        { ...graph, wanted: 'losses', gradientCheckpointing: false },
        { threads, packedWeights: false },
      );
    return new TrainingSession(session, checkpoint.config, trained, openEvaluation);
  }

  async release(): Promise<void> {
    await this.session.release();
    await (await this.evaluation)?.release();
  }

  /**
   * All groups have batches of the same rows and length. Ranks may differ: smaller ones are filled up with zeros, which add
   * nothing to any sum.
   */
  async run(groups: readonly Group[]): Promise<GroupResult[]> {
    const targets = new Targets(groups);
    const fetches = [
      IO.losses,
      IO.hits,
      ...this.modules.flatMap((path) => [gradientOfA(path), IO.gradientB(path)]),
      ...(this.dora ? this.modules.map(IO.gradientMagnitude) : []),
      ...this.weights.map(IO.gradient),
    ];
    const results = await this.session.run(this.feeds(groups, targets), fetches);
    const data = (name: string) => results[name]!.data as Float32Array;
    const sums = targets.sums(data(IO.losses), data(IO.hits));
    return groups.map((group, g) => ({
      ...sums[g]!,
      weightGradients: new Map(this.weights.map((name) => [name, data(IO.gradient(name))])),
      gradients: new Map(
        this.modules.map((path) => {
          const { rank, a, b, magnitude } = group.modules.get(path)!;
          const widest = widestRank(groups, path);
          const own = (all: Float32Array, size: number) => slice(all, g, size * widest);
          const gradientA =
            path === EMBEDDING_MODULE
              ? spread(own(data(IO.gradientColumns), group.batch.tokens.length), group.batch.tokens, a, rank)
              : own(data(IO.gradientA(path)), a.length / rank).subarray(0, a.length);
          return [
            path,
            {
              a: gradientA,
              b: columns(own(data(IO.gradientB(path)), b.length / rank), widest, rank),
              ...(magnitude
                ? { magnitude: slice(data(IO.gradientMagnitude(path)), g, magnitude.length) }
                : {}),
            },
          ];
        }),
      ),
    }));
  }

  /** Losses alone. */
  async evaluate(groups: readonly Group[]): Promise<LossResult[]> {
    this.evaluation ??= this.openEvaluation();
    const targets = new Targets(groups);
    const results = await (await this.evaluation).run(this.feeds(groups, targets), [IO.losses, IO.hits]);
    return targets.sums(results[IO.losses]!.data as Float32Array, results[IO.hits]!.data as Float32Array);
  }

  private feeds(groups: readonly Group[], targets: Targets): Record<string, Feed> {
    const { rows, length } = groups[0]!.batch;
    const positions = joined(groups, ({ batch }) => batch.positions);
    const tokens = joined(groups, ({ batch }) => batch.tokens);
    return {
      ...this.rotary.feeds(positions, groups.length * rows, length),
      ...this.adapterFeeds(groups),
      ...this.weightFeeds(groups[0]!),
      ...targets.feeds(),
      [IO.tokens]: int32s(tokens, [groups.length * rows, length]),
      [IO.mask]: this.mask(groups),
      [IO.groups]: int64s(BigInt64Array.of(BigInt(groups.length)), [1]),
    };
  }

  private adapterFeeds(groups: readonly Group[]): Record<string, Feed> {
    const feeds: Record<string, Feed> = {};
    for (const path of this.modules) {
      const loras = groups.map(({ modules }) => modules.get(path)!);
      if (path === HEAD_MODULE) {
        Object.assign(feeds, headFeeds(loras));
        continue;
      }
      if (path === EMBEDDING_MODULE) {
        Object.assign(feeds, embeddingFeeds(groups, loras));
        continue;
      }
      const { a, b, rank } = this.stacked(path, loras);
      feeds[IO.a(path)] = floats(a, [loras.length, rank, a.length / rank / loras.length]);
      feeds[IO.b(path)] = floats(b, [loras.length, b.length / rank / loras.length, rank]);
      feeds[IO.scale(path)] = floats(
        Float32Array.from(loras, ({ scale }) => scale),
        [loras.length, 1, 1],
      );
      if (this.dora) feeds[IO.magnitude(path)] = this.magnitudes(loras);
    }
    return feeds;
  }

  private magnitudes(loras: readonly LoraMatrices[]): Feed {
    const outputs = loras[0]!.magnitude!.length;
    const stacked = new Float32Array(loras.length * outputs);
    for (const [g, { magnitude }] of loras.entries()) stacked.set(magnitude!, g * outputs);
    return floats(stacked, [loras.length, outputs, 1]);
  }

  /** The groups' matrices one behind the other, in memory that the next pass uses again. */
  private stacked(
    path: string,
    loras: readonly LoraMatrices[],
  ): { rank: number; a: Float32Array; b: Float32Array } {
    const [first] = loras;
    if (loras.length === 1) return first!;
    const rank = Math.max(...loras.map((lora) => lora.rank));
    const [sizeA, sizeB] = [(first!.a.length / first!.rank) * rank, (first!.b.length / first!.rank) * rank];
    const a = this.memory(IO.a(path), loras.length * sizeA);
    const b = this.memory(IO.b(path), loras.length * sizeB);
    for (const [g, lora] of loras.entries()) {
      a.fill(0, g * sizeA + lora.a.length, (g + 1) * sizeA).set(lora.a, g * sizeA);
      b.set(columns(lora.b, lora.rank, rank), g * sizeB);
    }
    return { rank, a, b };
  }

  private memory(name: string, length: number): Float32Array {
    let array = this.stacks.get(name);
    if (array?.length !== length) this.stacks.set(name, (array = new Float32Array(length)));
    return array;
  }

  private weightFeeds({ weights }: Group): Record<string, Feed> {
    const shapes = baseTensors(this.config);
    return Object.fromEntries(
      this.weights.map((name) => {
        const values = weights!.get(name)!;
        return [IO.weight(name), floats(values, shapes.get(name) ?? [values.length])];
      }),
    );
  }

  /** Causal within a sequence, and within the sliding window where there is one: [rows, 1, 1, S, S]. */
  private mask(groups: readonly Group[]): Feed {
    const { rows, length } = groups[0]!.batch;
    const window = this.config.slidingWindow ?? Number.POSITIVE_INFINITY;
    const mask = new Float32Array(groups.length * rows * length * length).fill(HIDDEN);
    let at = 0;
    for (const { batch } of groups) {
      for (let row = 0; row < rows; row++) {
        const segments = batch.segments.subarray(row * length, (row + 1) * length);
        for (let s = 0; s < length; s++, at += length) {
          for (let t = s; t >= 0 && s - t < window && segments[t] === segments[s]; t--) mask[at + t] = 0;
        }
      }
    }
    return floats(mask, [groups.length * rows, 1, 1, length, length]);
  }
}

async function openGraph(
  checkpoint: Checkpoint,
  settings: TrainingGraphSettings,
  { threads, packedWeights }: Required<Pick<TrainingSettings, 'threads' | 'packedWeights'>>,
): Promise<Session> {
  const graph = buildTraining(checkpoint.config, checkpoint.weight, settings);
  const path = join(checkpoint.folder, `patchbay-${settings.wanted}-${randomUUID()}.onnx`);
  try {
    await writeFile(path, writeOnnx(graph, 'patchbay'));
    const entries = {
      'session.disable_prepacking': packedWeights ? '0' : '1',
      // Threads that wait in a loop for the next pass would slow the passes of other sessions by half.
      'session.force_spinning_stop': '1',
    };
    return await Session.open(path, { threads, entries, planMemory: false });
  } finally {
    await rm(path, { force: true });
  }
}

const gradientOfA = (path: string) => (path === EMBEDDING_MODULE ? IO.gradientColumns : IO.gradientA(path));

const slice = (all: Float32Array, index: number, size: number) =>
  all.subarray(index * size, (index + 1) * size);

function joined(groups: readonly Group[], of: (group: Group) => Int32Array): Int32Array {
  const arrays = groups.map(of);
  const whole = new Int32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    whole.set(array, at);
    at += array.length;
  }
  return whole;
}
