/**
 * A Hugging Face checkpoint folder, checked and ready for the graph: config.json, one or several safetensors files. F32
 * weights are used where they lie; F16 and BF16 are widened once into a file beside them, because CPU kernels compute in
 * F32 (docs/architecture.md).
 */
import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type BaseConfig, baseTensors, parseBaseConfig } from '../../adapter/base-config.ts';
import {
  decodeFloat32,
  readHeader,
  type SafetensorsHeader,
  type TensorInfo,
} from '../../adapter/safetensors.ts';
import type { ExternalData } from '../graph/graph.ts';

/** Values widened at a time: bounds memory, whatever the size of a tensor. */
const WIDEN_BYTES = 16 * 2 ** 20;

const Index = z.object({ weight_map: z.record(z.string(), z.string().regex(/^[\w.-]+\.safetensors$/)) });
const GenerationConfig = z.object({ eos_token_id: z.union([z.int(), z.array(z.int())]).nullish() });

export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
}

export interface Checkpoint {
  readonly folder: string;
  readonly config: BaseConfig;
  /** End-of-turn tokens of config.json and generation_config.json. */
  readonly endTokens: readonly number[];
  /** Where a weight's float32 values lie. */
  readonly weight: (name: string) => ExternalData;
  /** Names the weights as they lie, for whatever is derived from them. */
  readonly fingerprint: string;
}

interface Located {
  readonly file: string;
  readonly dataOffset: number;
  readonly tensor: TensorInfo;
}

/** @throws CheckpointError, AdapterError */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const config = parseBaseConfig(await readJson(folder, 'config.json'));
  const located = await locate(folder);
  for (const [name, shape] of baseTensors(config)) {
    const found = located.get(name);
    if (!found) throw new CheckpointError(`${name} is missing; it should be [${shape}]`);
    if (String(found.tensor.shape) !== String(shape)) {
      throw new CheckpointError(`${name} is [${found.tensor.shape}]; config.json makes it [${shape}]`);
    }
  }
  const weights = await asFloat32(
    folder,
    [...baseTensors(config).keys()].map((name) => located.get(name)!),
  );
  return {
    folder,
    config,
    endTokens: await endTokens(folder, config),
    weight: (name) => weights.get(name)!,
    fingerprint: await fingerprint(
      folder,
      [...weights.values()].map(({ file }) => file),
    ),
  };
}

async function readJson(folder: string, name: string): Promise<unknown> {
  return JSON.parse(await readFile(join(folder, name), 'utf8'));
}

async function locate(folder: string): Promise<Map<string, Located>> {
  const located = new Map<string, Located>();
  for (const file of await shards(folder)) {
    const header = await headerOf(join(folder, file));
    for (const tensor of header.tensors) {
      const other = located.get(tensor.name);
      if (other) throw new CheckpointError(`${tensor.name} is in two files, ${other.file} and ${file}`);
      located.set(tensor.name, { file, dataOffset: header.dataOffset, tensor });
    }
  }
  return located;
}

async function shards(folder: string): Promise<string[]> {
  try {
    const index = Index.parse(await readJson(folder, 'model.safetensors.index.json'));
    return [...new Set(Object.values(index.weight_map))].sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ['model.safetensors'];
    throw error;
  }
}

async function headerOf(path: string): Promise<SafetensorsHeader> {
  await using handle = await open(path);
  const { size } = await handle.stat();
  return await readHeader((offset, length) => readAt(handle, offset, length), size);
}

async function readAt(handle: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const { buffer, bytesRead } = await handle.read(new Uint8Array(length), 0, length, offset);
  return buffer.subarray(0, bytesRead);
}

async function asFloat32(folder: string, located: readonly Located[]): Promise<Map<string, ExternalData>> {
  const weights = new Map<string, ExternalData>();
  const narrow = located.filter(({ tensor }) => tensor.dtype !== 'F32');
  for (const { file, dataOffset, tensor } of located) {
    if (tensor.dtype !== 'F32') continue;
    weights.set(tensor.name, { file, offset: dataOffset + tensor.begin, length: tensor.end - tensor.begin });
  }
  const files = narrow.map(({ file }) => file);
  const widened = `patchbay-float32-${await fingerprint(folder, files)}.bin`;
  let offset = 0;
  for (const { tensor } of narrow) {
    const length = 2 * (tensor.end - tensor.begin);
    weights.set(tensor.name, { file: widened, offset, length });
    offset += length;
  }
  const path = join(folder, widened);
  if (narrow.length > 0 && (await sizeOf(path)) !== offset) await widen(folder, narrow, path);
  return weights;
}

/** Written under another name first, so that the file is whole or not there; two processes write the same bytes. */
async function widen(folder: string, tensors: readonly Located[], path: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}`;
  try {
    {
      await using target = await open(temporary, 'w');
      for (const { file, dataOffset, tensor } of tensors) {
        await using source = await open(join(folder, file));
        for (let at = tensor.begin; at < tensor.end; at += WIDEN_BYTES) {
          const bytes = await readAt(source, dataOffset + at, Math.min(WIDEN_BYTES, tensor.end - at));
          await target.write(new Uint8Array(decodeFloat32(bytes, tensor.dtype).buffer));
        }
      }
      await target.sync();
    }
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.size;
}

async function endTokens(folder: string, config: BaseConfig): Promise<number[]> {
  const text = await readFile(join(folder, 'generation_config.json'), 'utf8').catch(() => '{}');
  const eos = GenerationConfig.parse(JSON.parse(text)).eos_token_id ?? [];
  return [...new Set([...config.eosTokenIds, ...(typeof eos === 'number' ? [eos] : eos)])];
}

/** Names files as they lie: another size or time of change gives another name. */
async function fingerprint(folder: string, files: Iterable<string>): Promise<string> {
  const hash = createHash('sha256');
  for (const file of new Set(files)) {
    const { size, mtimeMs } = await stat(join(folder, file));
    hash.update(`${file} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}
