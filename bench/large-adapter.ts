/** What the benchmarks of transfers share: a server with the base that ships, and adapters for it of any size. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { moduleTable, parseBaseConfig } from '../adapter/base-config.ts';
import { type TensorToWrite, writeSafetensors } from '../adapter/safetensors.ts';
import {
  type DraftBody,
  declare,
  type Files,
  InProcess,
  type ObjectsForTests,
  upload,
} from '../test/in-process.ts';

export const BASE = 'patchbay/tiny';
const baseFolder = join(import.meta.dirname, '../seed/base/patchbay-tiny');
const baseConfig = parseBaseConfig(JSON.parse(await readFile(join(baseFolder, 'config.json'), 'utf8')));

/** With the publish gate passing everything at once: it is not what is measured. */
export async function openWithTiny(
  startObjects?: (folder: string) => Promise<ObjectsForTests>,
): Promise<InProcess> {
  const api = await InProcess.open({ memory: true }, startObjects ? { startObjects } : {});
  const names = (await readdir(baseFolder)).filter((name) => /\.(json|safetensors)$/.test(name));
  const files = await Promise.all(
    names.map(async (name) => [name, new Uint8Array(await readFile(join(baseFolder, name)))] as const),
  );
  const imported = await api.publish(`/api/bases/${BASE}`, Object.fromEntries(files));
  if (!imported.ok) throw new Error(await imported.text());
  return api;
}

/** A right adapter of about so many bytes, up to a hundred million. */
export function largeAdapter(bytes: number, seed = 1) {
  const modules = [...moduleTable(baseConfig)].filter(([name]) => name.endsWith('_proj'));
  const perRank = modules.reduce((sum, [, size]) => sum + size.in + size.out, 0);
  const rank = Math.min(1024, Math.ceil(bytes / 4 / perRank));
  const tensor = (name: string, shape: [number, number]): TensorToWrite => {
    const values = Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => Math.sin(i + seed) / 100);
    return { name, dtype: 'F32', shape, data: new Uint8Array(values.buffer) };
  };
  const tensors = modules.flatMap(([name, { in: inputs, out }]) => [
    tensor(`base_model.model.${name}.lora_A.weight`, [rank, inputs]),
    tensor(`base_model.model.${name}.lora_B.weight`, [out, rank]),
  ]);
  const kinds = [...new Set(modules.map(([name]) => name.split('.').at(-1)!))];
  const config = {
    peft_type: 'LORA',
    r: rank,
    lora_alpha: rank,
    target_modules: kinds,
    base_model_name_or_path: BASE,
  };
  return {
    'adapter_config.json': JSON.stringify(config),
    'adapter_model.safetensors': writeSafetensors(tensors),
  };
}

export async function publishTo(api: InProcess, id: string, files: Files): Promise<void> {
  const started = await api.call('POST', `/api/adapters/${id}/versions`, {
    base: BASE,
    files: declare(files),
  });
  const draft = (await started.json()) as DraftBody;
  await upload(draft, files);
  const completed = await api.complete(draft);
  if (!completed.ok) throw new Error(await completed.text());
}
