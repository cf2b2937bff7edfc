/** An adapter's weights as PEFT wrote them, checked against the base they are for. */
import { open } from 'node:fs/promises';
import { type BaseConfig, moduleTable } from '../../adapter/base-config.ts';
import { inspectAdapter } from '../../adapter/inspect.ts';
import { parsePeftConfig } from '../../adapter/peft-config.ts';
import { decodeFloat32, readHeader, type TensorInfo } from '../../adapter/safetensors.ts';

export const WEIGHTS_FILE = 'adapter_model.safetensors';

export interface LoadedModule {
  readonly module: string;
  readonly rank: number;
  /** What B A is multiplied by. */
  readonly scale: number;
  /** [rank, in] */
  readonly a: Float32Array;
  /** [out, rank] */
  readonly b: Float32Array;
  /** [out], with DoRA: the lengths of the adapted weight's rows. */
  readonly magnitude?: Float32Array;
}

/** @param config adapter_config.json. @throws AdapterError, AdapterProblems */
export async function readAdapterFile(
  path: string,
  config: Readonly<Record<string, unknown>>,
  base: BaseConfig,
): Promise<LoadedModule[]> {
  await using handle = await open(path);
  const { size } = await handle.stat();
  const read = async (offset: number, length: number) => {
    const { buffer, bytesRead } = await handle.read(new Uint8Array(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  };
  const header = await readHeader(read, size);
  const shape = inspectAdapter(parsePeftConfig(config), header, moduleTable(base));
  const values = async ({ begin, end, dtype }: TensorInfo) =>
    decodeFloat32(await read(header.dataOffset + begin, end - begin), dtype);
  const modules: LoadedModule[] = [];
  for (const { module, rank, scale, a, b, magnitude } of shape.modules)
    modules.push({
      module,
      rank,
      scale,
      a: await values(a),
      b: await values(b),
      ...(magnitude ? { magnitude: await values(magnitude) } : {}),
    });
  return modules;
}
