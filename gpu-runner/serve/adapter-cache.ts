/** Adapters in memory, decoded to float32, least recently used ones dropped beyond a limit of bytes. */
import { LRUCache } from 'lru-cache';
import type { LoadedAdapter } from './composition.ts';
import type { AdapterOnDisk } from './load-adapter.ts';

export class AdapterCache {
  private readonly cache: LRUCache<string, LoadedAdapter, AdapterOnDisk>;

  /** @param limit bytes */
  constructor(limit: number, load: (adapter: AdapterOnDisk) => Promise<LoadedAdapter>) {
    this.cache = new LRUCache<string, LoadedAdapter, AdapterOnDisk>({
      maxSize: limit,
      sizeCalculation: ({ bytes }) => Math.max(1, bytes),
      // Else those that come in push out, and fail, those that others still wait for.
      ignoreFetchAbort: true,
      // Requests for one adapter that come while it loads wait for the same load.
      fetchMethod: (_digest, _stale, { context }) => load(context),
    });
  }

  has(digest: string): boolean {
    return this.cache.has(digest);
  }

  get size(): number {
    return this.cache.size;
  }

  /** Digests of up to `count` in memory, most recently used first. */
  recent(count: number): string[] {
    return this.cache.keys().take(count).toArray();
  }

  /** @throws what `load` throws */
  async get(adapter: AdapterOnDisk): Promise<LoadedAdapter> {
    return this.cache.forceFetch(adapter.digest, { context: adapter });
  }
}
