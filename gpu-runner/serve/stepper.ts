/**
 * One step of the model for whoever asks: a chunk of one sequence's prompt, or one token for each of many. The stepper
 * owns the session and the batches, one for each class of ranks (slabs.ts), which step one after the other; it knows nothing of requests.
 *
 * A sequence prefills in a cache of its own and joins its batch at its first decode step. So chunks and shapes of its
 * prompt depend on itself alone, and its logits are the same bits whatever else is being served.
 */
import type { BaseConfig } from '../../adapter/base-config.ts';

import { RotaryTable } from '../model/rotary.ts';
import { IO, WAYS, type Way } from '../model/step-graph.ts';
import { bool, type Feed, floats, int32s, type Session } from '../session.ts';
import { Batch, type BatchRow, batchBytes } from './batch.ts';
import {
  type Composition,
  compose,
  isBaseOnly,
  type ServedModule,
  shapeOf,
  type WeightedAdapter,
} from './composition.ts';
import { KeyValueCache, PLACES_STEP, placesFor } from './kv-cache.ts';
import { CLASSES, RowGains, rankClass } from './slabs.ts';

/** Prompt tokens per step: enough rows to keep the cores busy, few enough that running streams do not stall. */
export const CHUNK_TOKENS = 128;
/** Added to the score of a place that a token must not see. Finite, so that no row can turn into NaN. */
const HIDDEN = -1e30;

export interface Sequence {
  /** Tokens in the cache. */
  readonly length: number;
}

/** What a sequence will be. */
export interface Growth {
  /** Tokens in the cache. */
  readonly length: number;
  readonly adapters: readonly WeightedAdapter[];
}

export interface Stepper {
  readonly config: BaseConfig;
  readonly chunkTokens: number;
  /** Whether the memory holds such sequences together. */
  fits(sequences: readonly Growth[]): boolean;
  open(adapters: readonly WeightedAdapter[]): Sequence;
  /** Logits [vocabulary] after the last of up to `chunkTokens` tokens. */
  prefill(sequence: Sequence, tokens: readonly number[]): Promise<Float32Array>;
  /** Gives a sequence that is empty the past of one with the same adapters that was prefilled and not decoded yet. */
  copy(from: Sequence, to: Sequence): void;
  /** One new token for each sequence; logits [vocabulary] of each, in the same order. */
  decode(sequences: readonly Sequence[], tokens: readonly number[]): Promise<Float32Array[]>;
  close(sequence: Sequence): void;
  release(): Promise<void>;
}

const NO_ADAPTERS: readonly WeightedAdapter[] = [];

/** The most tokens that one sequence alone can have: the model's limit, or less where the cache is small. */
export function longestFitting(stepper: Stepper): number {
  const { contextLength } = stepper.config;
  const fits = (length: number) => stepper.fits([{ length, adapters: NO_ADAPTERS }]);
  if (fits(contextLength)) return contextLength;
  let places = 0;
  for (let step = 2 ** 30; step >= PLACES_STEP; step /= 2) if (fits(places + step)) places += step;
  return Math.min(places, contextLength);
}

class Row implements Sequence, BatchRow {
  length = 0;
  readonly composition: Composition;
  readonly embedding: EmbeddingDelta | undefined;
  own: KeyValueCache | undefined;

  constructor(composition: Composition, embedding: EmbeddingDelta | undefined) {
    this.composition = composition;
    this.embedding = embedding;
  }
}

export class SessionStepper implements Stepper {
  readonly config: BaseConfig;
  readonly chunkTokens = CHUNK_TOKENS;
  private readonly session: Session;
  private readonly memoryBytes: number;
  private readonly rotary: RotaryTable;
  /** By class of rank. */
  private readonly batches: readonly Batch<Row>[];
  /** Of the prompt that is being read. */
  private readonly gains = new RowGains();
  /** Those of the batches, and those that have not joined theirs. */
  private readonly opened = new Set<Row>();
  private readonly compositions = new Map<string, { composition: Composition; users: number }>();

  /** @param memoryBytes for keys, values and slabs of what runs */
  constructor(session: Session, config: BaseConfig, memoryBytes: number) {
    this.session = session;
    this.config = config;
    this.memoryBytes = memoryBytes;
    this.rotary = new RotaryTable(config);
    this.batches = Array.from({ length: CLASSES }, () => new Batch<Row>(config));
  }

  /** Of keys, values and slabs, as they are laid out now. */
  get heldBytes(): number {
    const batches = this.batches.reduce((sum, { bytes }) => sum + bytes, 0);
    return [...this.opened].reduce((sum, { own }) => sum + (own?.bytes ?? 0), batches);
  }

  fits(sequences: readonly Growth[]): boolean {
    return this.bytesFor(sequences) <= this.memoryBytes;
  }

  /** The most that `heldBytes` can be while these are open. */
  bytesFor(sequences: readonly Growth[]): number {
    const rows = sequences.map(({ length, adapters }) => ({ length, shape: shapeOf(adapters) }));
    const batches = Map.groupBy(rows, ({ shape }) => rankClass(shape));
    return [...batches.values()].reduce((sum, batch) => sum + batchBytes(batch, this.config), 0);
  }

  open(adapters: readonly WeightedAdapter[]): Sequence {
    const { key } = shapeOf(adapters);
    const entry = this.compositions.get(key) ?? { composition: compose(adapters, this.config), users: 0 };
    entry.users++;
    this.compositions.set(key, entry);
    const row = new Row(entry.composition, EmbeddingDelta.of(adapters));
    this.opened.add(row);
    return row;
  }

  async prefill(sequence: Sequence, tokens: readonly number[]): Promise<Float32Array> {
    const row = sequence as Row;
    const batch = this.batchOf(row);
    if (batch.rows.includes(row)) batch.leave(row);
    const places = placesFor(row.length + tokens.length);
    row.own ??= new KeyValueCache(this.config, 1, places);
    row.own.resize(1, Math.max(places, row.own.places));
    const adapters = { ...row.composition.feeds, [IO.gains]: this.gains.feedFor([row.composition]) };
    const { logits, fresh } = await this.run([row], tokens, row.own, adapters);
    row.own.append(0, row.length, fresh, 0, tokens.length);
    row.length += tokens.length;
    return logits;
  }

  copy(from: Sequence, to: Sequence): void {
    const { own, length } = from as Row;
    const row = to as Row;
    row.own = new KeyValueCache(this.config, 1, own!.places);
    row.own.copyRow(own!, 0, 0);
    row.length = length;
  }

  async decode(sequences: readonly Sequence[], tokens: readonly number[]): Promise<Float32Array[]> {
    const asked = sequences as readonly Row[];
    const tokenOf = new Map(asked.map((row, i) => [row, tokens[i]!]));
    const logitsOf = new Map<Row, Float32Array>();
    for (const batch of this.batches) {
      batch.arrange(asked.filter((row) => this.batchOf(row) === batch));
      if (batch.rows.length > 0) await this.step(batch, tokenOf, logitsOf);
    }
    return asked.map((row) => logitsOf.get(row)!);
  }

  private async step(
    batch: Batch<Row>,
    tokenOf: ReadonlyMap<Row, number>,
    logitsOf: Map<Row, Float32Array>,
  ): Promise<void> {
    const { rows, cache } = batch;
    const tokens = rows.map((row) => tokenOf.get(row)!);
    const { logits, fresh } = await this.run(rows, tokens, cache, batch.adapterFeeds());
    const { vocabSize } = this.config;
    for (const [i, row] of rows.entries()) {
      cache.append(i, row.length, fresh, i, 1);
      row.length++;
      logitsOf.set(row, logits.subarray(i * vocabSize, (i + 1) * vocabSize));
    }
  }

  close(sequence: Sequence): void {
    const row = sequence as Row;
    const batch = this.batchOf(row);
    if (batch.rows.includes(row)) batch.remove(row);
    this.opened.delete(row);
    row.own = undefined;
    const entry = this.compositions.get(row.composition.key);
    if (entry && --entry.users === 0) this.compositions.delete(row.composition.key);
  }

  release(): Promise<void> {
    return this.session.release();
  }

  private batchOf({ composition }: Row): Batch<Row> {
    return this.batches[rankClass(composition)]!;
  }

  /** @param tokens of one row (prefill) or one for each row (decode), [rows * newTokens] */
  private async run(
    rows: readonly Row[],
    tokens: readonly number[],
    cache: KeyValueCache,
    adapters: Readonly<Record<string, Feed>>,
  ): Promise<{ logits: Float32Array; fresh: Float32Array }> {
    const batch = rows.length;
    const count = tokens.length / batch;
    const positions = rows.flatMap((row) => Array.from({ length: count }, (_, i) => row.length + i));
    const way = wayOf(rows.map((row) => row.composition));
    const feeds: Record<string, Feed> = {
      ...adapters,
      ...this.pastFeeds(cache, batch),
      ...this.rotary.feeds(positions, batch, count),
      [IO.tokens]: int32s(Int32Array.from(tokens), [batch, count]),
      ...Object.fromEntries(WAYS.map((one) => [IO.way(one), bool(one === way)])),
      [IO.mask]: this.mask(rows, count, cache.places),
      [IO.embeddingDelta]: this.embeddingDelta(rows, tokens, count),
    };
    const [logits, fresh] = [IO.logits(way), IO.newKeyValue(way)];
    const results = await this.session.run(feeds, [logits, fresh]);
    return {
      logits: results[logits]!.data as Float32Array,
      fresh: results[fresh]!.data as Float32Array,
    };
  }

  private pastFeeds(cache: KeyValueCache, rows: number): Record<string, Feed> {
    const { kvHeads, headDim, layers } = this.config;
    const dims = [rows, kvHeads, 1, cache.places, headDim];
    const view = (array: Float32Array) => floats(array.subarray(0, rows * cache.floatsPerRow), dims);
    const feeds: Record<string, Feed> = {};
    for (let layer = 0; layer < layers; layer++) {
      feeds[IO.pastKey(layer)] = view(cache.arrays[2 * layer]!);
      feeds[IO.pastValue(layer)] = view(cache.arrays[2 * layer + 1]!);
    }
    return feeds;
  }

  /** Causal, within the sliding window where there is one, and blind to places beyond each row's length: [B, 1, 1, S, T]. */
  private mask(rows: readonly Row[], count: number, places: number): Feed {
    const total = places + count;
    const window = this.config.slidingWindow ?? Number.POSITIVE_INFINITY;
    const mask = new Float32Array(rows.length * count * total).fill(HIDDEN);
    for (const [b, { length }] of rows.entries()) {
      for (let s = 0; s < count; s++) {
        const at = (b * count + s) * total;
        const oldest = Math.max(0, length + s - window + 1); // first position in the window of position length + s
        mask.fill(0, at + Math.min(oldest, length), at + length);
        mask.fill(0, at + places + Math.max(0, oldest - length), at + places + s + 1);
      }
    }
    return floats(mask, [rows.length, 1, 1, count, total]);
  }

  private embeddingDelta(rows: readonly Row[], tokens: readonly number[], count: number): Feed {
    const { hiddenSize } = this.config;
    if (rows.every((row) => !row.embedding)) return floats(new Float32Array(hiddenSize), [1, 1, hiddenSize]);
    const delta = new Float32Array(tokens.length * hiddenSize);
    for (const [i, token] of tokens.entries()) {
      rows[Math.floor(i / count)]!.embedding?.add(
        token,
        delta.subarray(i * hiddenSize, (i + 1) * hiddenSize),
      );
    }
    return floats(delta, [rows.length, count, hiddenSize]);
  }
}

/** The least that computes all of them. */
function wayOf(rows: readonly Composition[]): Way {
  if (rows.some(({ gains }) => gains)) return 'gained';
  return rows.every(isBaseOnly) ? 'plain' : 'adapted';
}

/** What adapters of the token embedding add: a few thousand products per token, cheaper here than as slabs of the graph. */
class EmbeddingDelta {
  private readonly parts: readonly { module: ServedModule; scale: number; vocabulary: number }[];

  private constructor(parts: EmbeddingDelta['parts']) {
    this.parts = parts;
  }

  static of(adapters: readonly WeightedAdapter[]): EmbeddingDelta | undefined {
    const parts = adapters.flatMap(({ adapter, weight }) =>
      adapter.modules
        .filter((module) => module.module.endsWith('embed_tokens'))
        .map((module) => ({
          module,
          scale: weight * module.scale,
          vocabulary: module.a.length / module.rank,
        })),
    );
    return parts.length > 0 ? new EmbeddingDelta(parts) : undefined;
  }

  /** Adds scale * B A[:, token] to `target` [hidden]; A is [rank, vocabulary], B [hidden, rank]. */
  add(token: number, target: Float32Array): void {
    for (const { module, scale, vocabulary } of this.parts) {
      for (let h = 0; h < target.length; h++) {
        let sum = 0;
        for (let r = 0; r < module.rank; r++) {
          sum += module.b[h * module.rank + r]! * module.a[r * vocabulary + token]!;
        }
        target[h]! += scale * sum;
      }
    }
  }
}
