/** Adapters in memory, decoded to float32, least recently used ones dropped beyond a limit of bytes. */
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { type BaseConfig, moduleTable } from '../../adapter/base-config.ts';
import { AdapterError, AdapterProblems } from '../../adapter/error.ts';
import { inspectAdapter } from '../../adapter/inspect.ts';
import { parsePeftConfig } from '../../adapter/peft-config.ts';
import { decodeFloat32, readHeader, type TensorInfo } from '../../adapter/safetensors.ts';
import { Fault } from '../faults.ts';
import type { LoadedAdapter } from './slabs.ts';

export const WEIGHTS_FILE = 'adapter_model.safetensors';

export interface AdapterOnDisk {
  readonly digest: string;
  /** adapter_config.json */
  readonly config: Readonly<Record<string, unknown>>;
  /** Holds WEIGHTS_FILE. */
  readonly folder: string;
}

export class AdapterCache {
  private readonly cache: LRUCache<string, LoadedAdapter, AdapterOnDisk>;

  constructor(base: BaseConfig, limit: number) {
    this.cache = new LRUCache<string, LoadedAdapter, AdapterOnDisk>({
      maxSize: limit,
      sizeCalculation: ({ bytes }) => Math.max(1, bytes),
      // Requests for one adapter that come while it loads wait for the same load.
      fetchMethod: (_digest, _stale, { context }) => load(context, base),
    });
  }

  get size(): number {
    return this.cache.size;
  }

  /** @throws Fault adapter_invalid with the reasons */
  async get(adapter: AdapterOnDisk): Promise<LoadedAdapter> {
    return this.cache.forceFetch(adapter.digest, { context: adapter });
  }
}

async function load({ digest, config, folder }: AdapterOnDisk, base: BaseConfig): Promise<LoadedAdapter> {
  const path = join(folder, WEIGHTS_FILE);
  try {
    await using handle = await open(path);
    const { size } = await handle.stat();
    const read = async (offset: number, length: number) => {
      const { buffer, bytesRead } = await handle.read(new Uint8Array(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    };
    const header = await readHeader(read, size);
    const shape = inspectAdapter(parsePeftConfig(config), header, moduleTable(base));
    const file = await readFile(path);
    const values = ({ begin, end, dtype }: TensorInfo) =>
      decodeFloat32(file.subarray(header.dataOffset + begin, header.dataOffset + end), dtype);
    const modules = shape.modules.map(({ module, rank, scale, a, b }) => ({
      module,
      rank,
      scale,
      a: values(a),
      b: values(b),
    }));
    const bytes = modules.reduce((sum, { a, b }) => sum + a.byteLength + b.byteLength, 0);
    return { digest, bytes, modules };
  } catch (error) {
    if (error instanceof AdapterError || error instanceof AdapterProblems)
      throw new Fault('adapter_invalid', error.message);
    throw error;
  }
}
