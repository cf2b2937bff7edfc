/**
 * All that is looked at before an adapter runs: by the server, and by the command and the site before a byte is sent. Every reason at
 * once: what is wrong with the configuration does not keep the tensors from being looked at, nor their shapes their values.
 */
import { type BaseConfig, moduleTable } from './base-config.ts';
import { AdapterError, AdapterProblems, problemsOf } from './error.ts';
import { type AdapterShape, inspectAdapter } from './inspect.ts';
import { namedBase, readPeftConfig } from './peft-config.ts';
import type { SafetensorsHeader } from './safetensors.ts';

export interface AdapterToCheck {
  /** What adapter_config.json holds. */
  readonly readConfig: () => Promise<unknown>;
  readonly readHeader: () => Promise<SafetensorsHeader>;
  /** Looks at every value; absent: it is not done here. */
  readonly scan?: (header: SafetensorsHeader) => Promise<void>;
}

export interface CheckedAdapter {
  readonly config: Record<string, unknown>;
  readonly shape: AdapterShape;
}

/** @throws AdapterProblems */
export async function checkAdapter(
  { readConfig, readHeader, scan }: AdapterToCheck,
  base: { readonly id: string; readonly config: BaseConfig },
): Promise<CheckedAdapter> {
  const found: AdapterError[] = [];
  const attempt = async <T>(body: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await body();
    } catch (error) {
      found.push(...problemsOf(error));
      return undefined;
    }
  };
  const raw = await attempt(readConfig);
  const read = raw === undefined ? undefined : readPeftConfig(raw);
  found.push(...(read?.problems ?? []), ...nameProblems(raw, base.id));
  const header = await attempt(readHeader);
  const config = read?.config;
  const shape =
    header && config && (await attempt(() => inspectAdapter(config, header, moduleTable(base.config))));
  if (header && scan) await attempt(() => scan(header));
  if (!shape || found.length > 0) throw new AdapterProblems(found);
  return { config: raw as Record<string, unknown>, shape };
}

/** PEFT loads an adapter onto the base that its configuration names: if that is another, nobody has looked at what comes of it. */
function nameProblems(config: unknown, base: string): AdapterError[] {
  const named = namedBase(config);
  if (named === undefined || named === base) return [];
  return [
    new AdapterError(
      'base_mismatch',
      `adapter_config.json names the base ${JSON.stringify(named.slice(0, 200))}, and this is published for ${base}. If it was trained on that, write "base_model_name_or_path": "${base}"; else publish it for the base that it names.`,
      'base_model_name_or_path',
    ),
  ];
}
