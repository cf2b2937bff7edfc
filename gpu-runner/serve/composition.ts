/** The adapters of a request, and how they are laid side by side: what a row of a batch is to the slabs (slabs.ts). */
import type { BaseConfig } from '../../adapter/base-config.ts';
import type { LoadedModule } from '../model/adapter-file.ts';
import {
  LINEAR_KINDS,
  type LinearKind,
  type LinearSize,
  layersOf,
  linearSizes,
  modulePath,
} from '../model/llama.ts';
import { gainedOutputs, IO } from '../model/step-graph.ts';
import { type Feed, floats } from '../session.ts';

/** Ranks are padded to a multiple of it: see slabs.ts. */
const RANK_STEP = 16;
/** Of a kind that no adapter changes: one row of zeros. ONNX Runtime 1.30 leaves most of a batch of empty products unset. */
const LEAST_RANK = 1;

export interface ServedModule extends Omit<LoadedModule, 'magnitude'> {
  /** [out], with DoRA: what the module's output is multiplied by, but for its bias. */
  readonly gain?: Float32Array;
}

export interface LoadedAdapter {
  readonly digest: string;
  readonly bytes: number;
  readonly modules: readonly ServedModule[];
}

export interface WeightedAdapter {
  readonly adapter: LoadedAdapter;
  readonly weight: number;
}

/** Rank rows of one linear in one layer: a [rank, in], b [rank, out] with the adapter's scale and its weight in the mix. */
interface Block {
  readonly a: Float32Array;
  readonly b: Float32Array;
}

export type Ranks = Readonly<Record<LinearKind, number>>;

/** What is known of a request's adapters before they are laid out. */
export interface Shape {
  readonly key: string;
  /** Rank rows per kind, a multiple of RANK_STEP, or LEAST_RANK where this kind is not adapted. */
  readonly ranks: Ranks;
}

/** The adapters of one request, laid side by side along the rank. */
export interface Composition extends Shape {
  /** By module path; missing: zeros. */
  readonly blocks: ReadonlyMap<string, Block>;
  /** With DoRA: of all linears, as the graph takes them (gainedOutputs). */
  readonly gains: Float32Array | undefined;
  /** Feeds for a batch in which every row uses this composition. */
  readonly feeds: Readonly<Record<string, Feed>>;
}

const padded = (rank: number): number => Math.ceil(rank / RANK_STEP) * RANK_STEP;

export function byKind<T>(make: (kind: LinearKind) => T): Record<LinearKind, T> {
  return Object.fromEntries(LINEAR_KINDS.map((kind) => [kind, make(kind)])) as Record<LinearKind, T>;
}

/** Asked for in every step, of everybody who waits. */
const shapes = new WeakMap<readonly WeightedAdapter[], Shape>();

export function shapeOf(adapters: readonly WeightedAdapter[]): Shape {
  const known = shapes.get(adapters);
  if (known) return known;
  const spans = adapters.map(({ adapter }) => rankSpans(adapter));
  const shape = {
    key: adapters.map(({ adapter, weight }) => `${adapter.digest}:${weight}`).join('+'),
    ranks: byKind((kind) =>
      Math.max(
        LEAST_RANK,
        spans.reduce((sum, span) => sum + span[kind], 0),
      ),
    ),
  };
  shapes.set(adapters, shape);
  return shape;
}

/** Whether the graph's branch without adapters computes it: no linear is adapted. */
export function isBaseOnly({ blocks }: Composition): boolean {
  return blocks.size === 0;
}

export function compose(adapters: readonly WeightedAdapter[], config: BaseConfig): Composition {
  const sizes = linearSizes(config);
  const { key, ranks } = shapeOf(adapters);
  const spans = adapters.map(({ adapter }) => rankSpans(adapter));
  const blocks = new Map<string, Block>();
  const offsets = byKind(() => 0);
  for (const [i, { adapter, weight }] of adapters.entries()) {
    for (const module of adapter.modules) {
      const kind = kindOf(module.module);
      if (kind)
        place(blocks, { ...module, scale: weight * module.scale }, sizes[kind], offsets[kind], ranks[kind]);
    }
    for (const kind of LINEAR_KINDS) offsets[kind] += spans[i]![kind];
  }
  const shared = { key, ranks, blocks, gains: gainsOf(adapters, config) };
  return { ...shared, feeds: sharedFeeds(shared, config) };
}

/** Whether adapters can be used together: DoRA scales the base's own product, which several adapters share. */
export function canMix(adapters: readonly WeightedAdapter[]): boolean {
  const [first, ...others] = adapters;
  return (others.length === 0 && (first === undefined || first.weight === 1)) || !adapters.some(hasGains);
}

const hasGains = ({ adapter }: WeightedAdapter) => adapter.modules.some(({ gain }) => gain);

function gainsOf(adapters: readonly WeightedAdapter[], config: BaseConfig): Float32Array | undefined {
  if (!adapters.some(hasGains)) return undefined;
  const known = new Map(
    adapters.flatMap(({ adapter }) => adapter.modules.map(({ module, gain }) => [module, gain])),
  );
  const outputs = gainedOutputs(config);
  const gains = new Float32Array(outputs.reduce((sum, [, out]) => sum + out, 0)).fill(1);
  let at = 0;
  for (const [path, out] of outputs) {
    const gain = known.get(path);
    if (gain) gains.set(gain, at);
    at += out;
  }
  return gains;
}

/** Which linear a module path is; undefined: the token embedding, which the stepper adds itself. */
export function kindOf(module: string): LinearKind | undefined {
  const name = module.slice(module.lastIndexOf('.') + 1);
  return LINEAR_KINDS.find((kind) => kind === name);
}

/** The largest rank of each kind over the layers, padded: all layers share one size. */
function rankSpans(adapter: LoadedAdapter): Record<LinearKind, number> {
  const spans = byKind(() => 0);
  for (const { module, rank } of adapter.modules) {
    const kind = kindOf(module);
    if (kind) spans[kind] = Math.max(spans[kind], padded(rank));
  }
  return spans;
}

function place(
  blocks: Map<string, Block>,
  module: ServedModule,
  size: LinearSize,
  offset: number,
  rows: number,
): void {
  let block = blocks.get(module.module);
  if (!block) {
    block = { a: new Float32Array(rows * size.in), b: new Float32Array(rows * size.out) };
    blocks.set(module.module, block);
  }
  block.a.set(module.a, offset * size.in);
  for (let r = 0; r < module.rank; r++) {
    const row = (offset + r) * size.out;
    const { gain } = module;
    for (let o = 0; o < size.out; o++) block.b[row + o] = module.scale * module.b[o * module.rank + r]!;
    if (gain) for (let o = 0; o < size.out; o++) block.b[row + o]! *= gain[o]!;
  }
}

function sharedFeeds(composition: Omit<Composition, 'feeds'>, config: BaseConfig): Record<string, Feed> {
  const sizes = linearSizes(config);
  const feeds: Record<string, Feed> = {};
  for (const kind of LINEAR_KINDS) {
    const rank = composition.ranks[kind];
    const zeros = (size: number) => new Float32Array(rank * size);
    for (let layer = 0; layer < layersOf(kind, config); layer++) {
      const path = modulePath(kind, layer);
      const block = composition.blocks.get(path);
      feeds[IO.slabA(path)] = floats(block?.a ?? zeros(sizes[kind].in), [1, 1, rank, sizes[kind].in]);
      feeds[IO.slabB(path)] = floats(block?.b ?? zeros(sizes[kind].out), [1, 1, 1, rank, sizes[kind].out]);
    }
  }
  return feeds;
}
