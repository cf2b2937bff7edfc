/** Adapters in memory, decoded to float32, least recently used ones dropped beyond a limit of bytes. */
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { AdapterError, AdapterProblems } from '../../adapter/error.ts';
import { Fault } from '../faults.ts';
import { type LoadedModule, readAdapterFile, WEIGHTS_FILE } from '../model/adapter-file.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import { doraGain } from '../model/dora.ts';
import type { LoadedAdapter, ServedModule } from './slabs.ts';

export interface AdapterOnDisk {
  readonly digest: string;
  /** adapter_config.json */
  readonly config: Readonly<Record<string, unknown>>;
  /** Holds WEIGHTS_FILE. */
  readonly folder: string;
}

export class AdapterCache {
  private readonly cache: LRUCache<string, LoadedAdapter, AdapterOnDisk>;

  constructor(base: Checkpoint, limit: number) {
    this.cache = new LRUCache<string, LoadedAdapter, AdapterOnDisk>({
      maxSize: limit,
      sizeCalculation: ({ bytes }) => Math.max(1, bytes),
      // Requests for one adapter that come while it loads wait for the same load.
      fetchMethod: (_digest, _stale, { context }) => load(context, base),
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

  /** @throws Fault adapter_invalid with the reasons */
  async get(adapter: AdapterOnDisk): Promise<LoadedAdapter> {
    return this.cache.forceFetch(adapter.digest, { context: adapter });
  }
}

async function load({ digest, config, folder }: AdapterOnDisk, base: Checkpoint): Promise<LoadedAdapter> {
  try {
    const read = await readAdapterFile(join(folder, WEIGHTS_FILE), config, base.config);
    const modules = await servedModules(base, read);
    const bytes = modules.reduce((sum, { a, b }) => sum + a.byteLength + b.byteLength, 0);
    return { digest, bytes, modules };
  } catch (error) {
    if (error instanceof AdapterError || error instanceof AdapterProblems)
      throw new Fault('adapter_invalid', error.message);
    throw error;
  }
}

export async function servedModules(
  base: Checkpoint,
  modules: readonly LoadedModule[],
): Promise<ServedModule[]> {
  const served: ServedModule[] = [];
  for (const { magnitude, ...module } of modules) {
    const gain = magnitude && (await doraGain(base, { ...module, magnitude }));
    served.push(gain ? { ...module, gain } : module);
  }
  return served;
}
