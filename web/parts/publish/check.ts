/** The checks that the server makes, before a byte is sent: with the same code. */
import { parseBaseConfig } from '../../../adapter/base-config.ts';
import { checkAdapter } from '../../../adapter/check.ts';
import { AdapterError, problemsOf } from '../../../adapter/error.ts';
import { parseStrictJson } from '../../../adapter/json.ts';
import { namedBase, renamingBase } from '../../../adapter/peft-config.ts';
import { readHeader } from '../../../adapter/safetensors.ts';

const CONFIG = 'adapter_config.json';
const WEIGHTS = 'adapter_model.safetensors';
const REQUIRED = [CONFIG, WEIGHTS];
const TAKEN = [...REQUIRED, 'README.md', 'LICENSE', 'eval.jsonl'];
/** A PEFT configuration has some kilobytes. */
const MAX_CONFIG = 2 ** 20;

export interface Folder {
  /** By name; what an adapter does not consist of is left out. */
  readonly files: ReadonlyMap<string, File>;
  readonly leftOut: readonly string[];
  /** As the configuration names it. */
  readonly base: string | undefined;
  readonly problems: readonly string[];
}

export async function readFolder(all: readonly File[]): Promise<Folder> {
  const files = new Map(all.filter(({ name }) => TAKEN.includes(name)).map((file) => [file.name, file]));
  const leftOut = all.map(({ name }) => name).filter((name) => !TAKEN.includes(name));
  const problems = REQUIRED.filter((name) => !files.has(name)).map((name) =>
    name === WEIGHTS && leftOut.includes('adapter_model.bin')
      ? 'adapter_model.bin is a pickle and is not taken: save with safe_serialization=True.'
      : `There is no ${name}.`,
  );
  if (problems.length > 0) return { files, leftOut, base: undefined, problems };
  try {
    return { files, leftOut, base: namedBase(await configOf(files)), problems };
  } catch (error) {
    return { files, leftOut, base: undefined, problems: reasonsOf(error) };
  }
}

/** The files as they are sent: with a configuration that names the base as it is called here. @throws AdapterError */
export async function filesFor(files: Folder['files'], base: string): Promise<Folder['files']> {
  const renamed = renamingBase(await configOf(files), base);
  if (!renamed) return files;
  return new Map(files).set(CONFIG, new File([JSON.stringify(renamed, null, 2)], CONFIG));
}

/** @param files as they are sent; @param base that they are published for. @returns what is wrong; nothing: they fit */
export async function checkFit(
  files: Folder['files'],
  base: { id: string; config: unknown },
): Promise<readonly string[]> {
  try {
    const weights = files.get(WEIGHTS)!;
    const read = async (offset: number, length: number) =>
      new Uint8Array(await weights.slice(offset, offset + length).arrayBuffer());
    await checkAdapter(
      { readConfig: () => configOf(files), readHeader: () => readHeader(read, weights.size) },
      { id: base.id, config: parseBaseConfig(base.config) },
    );
    return [];
  } catch (error) {
    return reasonsOf(error);
  }
}

async function configOf(files: ReadonlyMap<string, File>): Promise<unknown> {
  const file = files.get(CONFIG)!;
  if (file.size > MAX_CONFIG) throw new AdapterError('config_invalid', `${CONFIG} is larger than 1 MiB.`);
  return parseStrictJson(await file.text(), CONFIG);
}

/** @throws what is no refusal */
function reasonsOf(error: unknown): string[] {
  return problemsOf(error).map(({ message }) => message);
}
