/**
 * Rows that are decoded together: their keys and values in one cache, their adapters in the slabs of one step. Row i of the cache
 * holds rows[i]. A row that has not been decoded yet, or is left out of a step, has its past in a cache of its own.
 */
import type { BaseConfig } from '../../adapter/base-config.ts';
import { IO } from '../model/step-graph.ts';
import type { Feed } from '../session.ts';
import type { Composition, Shape } from './composition.ts';
import { bytesPerPlace, KeyValueCache, placesFor } from './kv-cache.ts';
import { RowGains, RowSlabs, slabBytes } from './slabs.ts';

/** A sequence as a batch sees it. */
export interface BatchRow {
  readonly composition: Composition;
  readonly length: number;
  /** Its past, unless it is in the batch's cache. */
  own: KeyValueCache | undefined;
}

/** What a batch of such rows takes at most. */
export function batchBytes(
  rows: readonly { readonly length: number; readonly shape: Shape }[],
  config: BaseConfig,
): number {
  const places = placesFor(Math.max(0, ...rows.map(({ length }) => length)));
  // While it is laid out anew, a cache exists twice.
  const cache = 2 * rows.length * places * bytesPerPlace(config);
  return (
    cache +
    slabBytes(
      rows.map(({ shape }) => shape),
      config,
    )
  );
}

export class Batch<Row extends BatchRow> {
  readonly cache: KeyValueCache;
  rows: Row[] = [];
  private readonly config: BaseConfig;
  private readonly slabs: RowSlabs;
  private readonly gains = new RowGains();

  constructor(config: BaseConfig) {
    this.config = config;
    this.slabs = new RowSlabs(config);
    this.cache = new KeyValueCache(config, 0, placesFor(0));
  }

  get bytes(): number {
    return this.cache.bytes + this.slabs.bytes;
  }

  /** Of the rows that it holds now. */
  adapterFeeds(): Record<string, Feed> {
    const compositions = this.rows.map(({ composition }) => composition);
    return { ...this.slabs.feedsFor(compositions), [IO.gains]: this.gains.feedFor(compositions) };
  }

  /** Makes the batch hold exactly these rows, with a place for the token that each will add. */
  arrange(asked: readonly Row[]): void {
    const wanted = new Set(asked);
    for (const row of this.rows.filter((row) => !wanted.has(row))) this.leave(row);
    const places = placesFor(Math.max(0, ...asked.map((row) => row.length + 1)));
    const { cache } = this;
    const tooSmall = cache.rows < asked.length || cache.places < places;
    // Rows times places is what `batchBytes` promised to bound: neither may stay large while the other grows.
    const tooLarge = cache.rows * cache.places >= 2 * asked.length * places;
    if (tooSmall || tooLarge) cache.resize(asked.length, places);
    for (const row of asked) {
      if (this.rows.includes(row)) continue;
      const at = this.rows.push(row) - 1;
      if (row.own) cache.copyRow(row.own, 0, at);
      else cache.clearRow(at);
      row.own = undefined;
    }
  }

  /** Its past goes with it. */
  leave(row: Row): void {
    row.own = new KeyValueCache(this.config, 1, this.cache.places);
    row.own.copyRow(this.cache, this.rows.indexOf(row), 0);
    this.remove(row);
  }

  /** The last row moves into the hole. */
  remove(row: Row): void {
    const hole = this.rows.indexOf(row);
    const last = this.rows.pop()!;
    if (last !== row) {
      this.cache.copyRow(this.cache, this.rows.length, hole);
      this.rows[hole] = last;
    }
    if (this.rows.length > 0) return;
    this.slabs.clear();
    this.cache.resize(0, placesFor(0));
  }
}
