/**
 * Adapters as the graph wants them. A linear's adapters in a batch form two slabs, A [1, G, R, in] and B [1, 1, G, R, out],
 * with scales and mixing weights in B; G is 1 where all rows use the same adapters, else the batch.
 *
 * Why a row's bits do not depend on its neighbours: each row multiplies by its own rank rows, in their own order, at the
 * front of the slab; what a larger neighbour adds is zeros behind them. Ranks are padded to a multiple of RANK_STEP
 * (composition.ts) so that the kernel's tail never sees a row's own columns in one batch and not in the other. And both forms (G = 1, G = batch)
 * reach the same vector-times-matrix kernel: a slab with no more sizes than what it multiplies, all leading ones 1, would
 * make ONNX Runtime join the batch's rows into one matrix, which another kernel multiplies in another order; the slabs'
 * additional sizes keep it from that.
 *
 * Zeros cost as much time and memory as anything else, so rows of very different ranks do not share a step (RANK_CLASSES): one
 * adapter of rank 256 among seven of rank 16 made all of them wait for 1.6 times as long, in four times the memory.
 */

import type { BaseConfig } from '../../adapter/base-config.ts';
import {
  LINEAR_KINDS,
  type LinearKind,
  type LinearSize,
  layersOf,
  linearSizes,
  modulePath,
} from '../model/llama.ts';
import { IO } from '../model/step-graph.ts';
import { type Feed, floats } from '../session.ts';
import { byKind, type Composition, type Ranks, type Shape } from './composition.ts';

/** Rows whose rank is up to the same of these share a step. Each step more reads the base's weights once more. */
const RANK_CLASSES = [64, 256, Number.POSITIVE_INFINITY];
export const CLASSES = RANK_CLASSES.length;

/** Which rows share a step with it: a number below CLASSES. */
export function rankClass({ ranks }: Shape): number {
  const rank = Math.max(...Object.values(ranks));
  return RANK_CLASSES.findIndex((most) => rank <= most);
}

/**
 * What the adapters of such rows take in one step: each laid out once, and all stacked. Of one alone nothing is counted: it is
 * served whatever it takes, and rows that share it take no more.
 */
export function slabBytes(rows: readonly Shape[], config: BaseConfig): number {
  const distinct = [...new Map(rows.map((row) => [row.key, row])).values()];
  if (distinct.length < 2) return 0;
  const single = distinct.reduce((sum, { ranks }) => sum + rowBytes(ranks, config), 0);
  return single + rowsFor(rows.length) * rowBytes(largest(distinct), config);
}

/** To lay slabs out anew is to copy all adapters: not for every row that comes or goes. */
const rowsFor = (rows: number): number => 2 ** Math.ceil(Math.log2(rows));

const largest = (rows: readonly Shape[]): Ranks =>
  byKind((kind) => Math.max(...rows.map(({ ranks }) => ranks[kind])));

function rowBytes(ranks: Ranks, config: BaseConfig): number {
  const sizes = linearSizes(config);
  const floats = LINEAR_KINDS.reduce(
    (sum, kind) => sum + layersOf(kind, config) * ranks[kind] * (sizes[kind].in + sizes[kind].out),
    0,
  );
  return floats * Float32Array.BYTES_PER_ELEMENT;
}

/** The gains of a batch, kept until its rows change. The rows' compositions are not kept: they are large, and leave with their rows. */
export class RowGains {
  private rows: readonly Composition['gains'][] = [];
  private feed: Feed = NO_GAINS;

  feedFor(compositions: readonly Composition[]): Feed {
    const rows = compositions.map(({ gains }) => gains);
    const same = rows.length === this.rows.length && rows.every((row, i) => row === this.rows[i]);
    if (same) return this.feed;
    this.rows = rows;
    const size = rows.find((gains) => gains)?.length;
    if (size === undefined) return (this.feed = NO_GAINS);
    const alike = rows.every((row) => row === rows[0]);
    const stacked = new Float32Array((alike ? 1 : rows.length) * size).fill(1);
    for (const [i, gains] of (alike ? rows.slice(0, 1) : rows).entries())
      if (gains) stacked.set(gains, i * size);
    return (this.feed = floats(stacked, [stacked.length / size, 1, size]));
  }
}

const NO_GAINS = floats(new Float32Array(0), [1, 1, 0]);

/**
 * The slabs of a batch: of one composition where all rows use it, else of its own. There a row is written again only when its
 * composition changes.
 */
export class RowSlabs {
  private readonly config: BaseConfig;
  private readonly sizes: Record<LinearKind, LinearSize>;
  private ranks: Ranks = byKind(() => 0);
  private capacity = 0;
  private rows: (Composition | undefined)[] = [];
  private a = new Map<string, Float32Array>();
  private b = new Map<string, Float32Array>();
  private feeds: Record<string, Feed> = {};
  private rowsInFeeds = 0;

  constructor(config: BaseConfig) {
    this.config = config;
    this.sizes = linearSizes(config);
  }

  get bytes(): number {
    return this.capacity * rowBytes(this.ranks, this.config);
  }

  feedsFor(rows: readonly Composition[]): Readonly<Record<string, Feed>> {
    const [first] = rows;
    if (first && rows.every((row) => row === first)) {
      this.clear();
      return first.feeds;
    }
    const changed = this.reserve(rows.length, largest(rows));
    for (const [i, row] of rows.entries()) {
      if (this.rows[i] === row) continue;
      this.write(i, row);
      this.rows[i] = row;
    }
    if (changed || this.rowsInFeeds !== rows.length) {
      this.feeds = this.views(rows.length);
      this.rowsInFeeds = rows.length;
    }
    return this.feeds;
  }

  /** They are large. */
  clear(): void {
    this.capacity = 0;
    this.rows = [];
    this.a.clear();
    this.b.clear();
    this.feeds = {};
    this.rowsInFeeds = 0;
  }

  private reserve(rows: number, ranks: Ranks): boolean {
    const same = LINEAR_KINDS.every((kind) => ranks[kind] === this.ranks[kind]);
    if (rowsFor(rows) === this.capacity && same) return false;
    this.clear();
    this.capacity = rowsFor(rows);
    this.ranks = ranks;
    for (const [kind, path] of this.modules()) {
      this.a.set(path, new Float32Array(this.capacity * ranks[kind] * this.sizes[kind].in));
      this.b.set(path, new Float32Array(this.capacity * ranks[kind] * this.sizes[kind].out));
    }
    return true;
  }

  private write(row: number, composition: Composition): void {
    for (const [kind, path] of this.modules()) {
      const block = composition.blocks.get(path);
      const { in: inputs, out: outputs } = this.sizes[kind];
      writeRow(this.a.get(path)!, row, this.ranks[kind] * inputs, block?.a);
      writeRow(this.b.get(path)!, row, this.ranks[kind] * outputs, block?.b);
    }
  }

  private views(rows: number): Record<string, Feed> {
    const feeds: Record<string, Feed> = {};
    const view = (slab: Float32Array, dims: readonly number[]) =>
      floats(
        slab.subarray(
          0,
          dims.reduce((x, y) => x * y, 1),
        ),
        dims,
      );
    for (const [kind, path] of this.modules()) {
      feeds[IO.slabA(path)] = view(this.a.get(path)!, [1, rows, this.ranks[kind], this.sizes[kind].in]);
      feeds[IO.slabB(path)] = view(this.b.get(path)!, [1, 1, rows, this.ranks[kind], this.sizes[kind].out]);
    }
    return feeds;
  }

  private *modules(): Generator<[LinearKind, string]> {
    for (const kind of LINEAR_KINDS) {
      for (let layer = 0; layer < layersOf(kind, this.config); layer++) yield [kind, modulePath(kind, layer)];
    }
  }
}

/** Puts `values` at the front of the row and zeros behind them. */
function writeRow(slab: Float32Array, row: number, stride: number, values: Float32Array | undefined): void {
  const at = row * stride;
  if (values) slab.set(values, at);
  slab.fill(0, at + (values?.length ?? 0), at + stride);
}
