/** An adapter's file as the engine wants it: checked, decoded to float32, with the gains of DoRA. */
import { join } from 'node:path';
import { AdapterError, AdapterProblems } from '../../adapter/error.ts';
import { Fault } from '../faults.ts';
import { type LoadedModule, readAdapterFile, WEIGHTS_FILE } from '../model/adapter-file.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import { doraGain } from '../model/dora.ts';
import type { LoadedAdapter, ServedModule } from './composition.ts';

export interface AdapterOnDisk {
  readonly digest: string;
  /** adapter_config.json */
  readonly config: Readonly<Record<string, unknown>>;
  /** Holds WEIGHTS_FILE. */
  readonly folder: string;
}

/** @throws Fault adapter_invalid with the reasons */
export async function loadAdapter(
  { digest, config, folder }: AdapterOnDisk,
  base: Checkpoint,
): Promise<LoadedAdapter> {
  try {
    const read = await readAdapterFile(join(folder, WEIGHTS_FILE), config, base.config);
    const modules = await servedModules(base, read);
    const bytes = modules.reduce((sum, { a, b }) => sum + a.byteLength + b.byteLength, 0);
    return { digest, bytes, modules };
  } catch (error) {
    if (error instanceof AdapterError || error instanceof AdapterProblems)
      throw new Fault('adapter_invalid', error.message, 'model');
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
