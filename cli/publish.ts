/** `patchbay publish` and `patchbay base import`. */
import { open, readdir, readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { baseTensors, parseBaseConfig } from '../adapter/base-config.ts';
import { checkAdapter } from '../adapter/check.ts';
import { AdapterError, AdapterProblems } from '../adapter/error.ts';
import { parseStrictJson } from '../adapter/json.ts';
import { namedBase, renamingBase } from '../adapter/peft-config.ts';
import { ownerName } from '../adapter/reference.ts';
import { readHeader } from '../adapter/safetensors.ts';
import { createScan } from '../adapter/scan.ts';
import { BaseConfigOnly, type Client, Whoami } from './client.ts';
import { CliError, EXIT, list } from './errors.ts';
import { bytes, note, type Output, result } from './output.ts';
import { describe, type LocalFile, publishFiles, type Source } from './upload.ts';
import { describeVerification, verified } from './verification.ts';

const CONFIG = 'adapter_config.json';
const WEIGHTS = 'adapter_model.safetensors';
const ADAPTER_FILES = [CONFIG, WEIGHTS, 'README.md', 'LICENSE', 'eval.jsonl'];
const BASE_FILES = [
  'config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'generation_config.json',
  'special_tokens_map.json',
  'chat_template.jinja',
  'model.safetensors.index.json',
  'README.md',
  'LICENSE',
  'eval.jsonl',
];

export async function publish(
  client: Client,
  output: Output,
  folder: string,
  options: { as?: string; base?: string; private?: boolean },
): Promise<void> {
  const names = await filesIn(
    folder,
    (name) => ADAPTER_FILES.includes(name),
    [CONFIG, WEIGHTS],
    "PEFT's save_pretrained",
  );
  const rawConfig = await readConfig(folder);
  const named = namedBase(rawConfig);
  const base = options.base ?? named;
  if (base === undefined || !/^[^/]+\/[^/]+$/.test(base)) {
    throw new CliError(
      EXIT.usage,
      options.base === undefined
        ? `${CONFIG} names ${named === undefined ? 'no base' : `the base ${JSON.stringify(named)}`}`
        : `--base ${base} is not owner/name`,
      'Say which base it is for: --base owner/name.',
    );
  }
  const { config } = await client.get(BaseConfigOnly, `/api/bases/${base}`);
  const target = options.as ?? `${(await client.get(Whoami, '/api/whoami')).owner}/${nameOf(folder)}`;
  if (!/^[^/]+\/[^/]+$/.test(target)) throw new CliError(EXIT.usage, `--as ${target} is not owner/name`);

  const renamed = renamingBase(rawConfig, base);
  const source: Source = {
    folder,
    instead: renamed ? { [CONFIG]: new TextEncoder().encode(JSON.stringify(renamed, null, 2)) } : {},
  };
  const toCheck = { config: renamed ?? rawConfig, base: { id: base, config } };
  const files = await checkAndDescribe(source, names, toCheck);
  if (renamed) note(`${CONFIG} names the base ${named}: it is sent with ${base} there instead.`);
  const completed = await publishFiles(
    client,
    output,
    source,
    `/api/adapters/${target}/versions`,
    { base, ...(options.private ? { visibility: 'private' } : {}) },
    files,
  );
  if (completed.kind !== 'adapter') throw new CliError(EXIT.failed, 'the server listed something else');
  const { created } = completed;
  const version = await verified(client, output, completed.version.reference);
  result(output, { ...completed, version }, () =>
    [
      `${created ? 'published' : 'already there:'} ${version.reference}  rank ${version.rank}, ${version.targetModules.join(' ')}, ${bytes(version.size)}`,
      ...describeVerification(version),
    ].join('\n'),
  );
  if (!output.json) note(`Try it: patchbay chat ${target} -m "..."`);
}

/** What an adapter is called unless told otherwise. @throws CliError */
function nameOf(folder: string): string {
  const checked = ownerName.safeParse(basename(resolve(folder)).toLowerCase());
  if (checked.success) return checked.data;
  throw new CliError(
    EXIT.usage,
    `the folder's name is none for an adapter: ${checked.error.issues[0]!.message}`,
    'Say what it is called: --as owner/name.',
  );
}

async function readConfig(folder: string): Promise<unknown> {
  try {
    return parseStrictJson(await readFile(join(folder, CONFIG), 'utf8'), CONFIG);
  } catch (error) {
    throw asRefusal(error);
  }
}

/** The checks that the server makes, before a byte is sent. */
async function checkAndDescribe(
  source: Source,
  names: readonly string[],
  { config, base }: { config: unknown; base: { id: string; config: unknown } },
): Promise<LocalFile[]> {
  const files: LocalFile[] = [];
  try {
    await checkAdapter(
      {
        readConfig: async () => config,
        readHeader: () => headerOf(join(source.folder, WEIGHTS)),
        scan: async (header) => {
          const scan = createScan(header);
          files.push(...(await describe(source, names, { [WEIGHTS]: (chunk) => scan.push(chunk) })));
          scan.finish();
        },
      },
      { id: base.id, config: parseBaseConfig(base.config) },
    );
    return files;
  } catch (error) {
    throw asRefusal(error);
  }
}

export async function importBase(client: Client, output: Output, folder: string, id: string): Promise<void> {
  if (!/^[^/]+\/[^/]+$/.test(id)) throw new CliError(EXIT.usage, `${id} is not owner/name`);
  const known = (name: string) => BASE_FILES.includes(name) || name.endsWith('.safetensors');
  const required = ['config.json', 'tokenizer.json', 'tokenizer_config.json'];
  const names = await filesIn(
    folder,
    known,
    required,
    'save_pretrained of a transformers model and of its tokenizer',
  );
  try {
    const config = parseBaseConfig(JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')));
    const shards = names.filter((name) => name.endsWith('.safetensors'));
    const headers = await Promise.all(shards.map((name) => headerOf(join(folder, name))));
    const missing = [...baseTensors(config).keys()].filter(
      (name) => !headers.some(({ byName }) => byName.has(name)),
    );
    if (missing.length > 0)
      throw new CliError(
        EXIT.refused,
        `the checkpoint lacks ${missing.length} tensors, such as ${missing[0]}`,
      );
  } catch (error) {
    throw asRefusal(error);
  }
  const source = { folder, instead: {} };
  const files = await describe(source, names);
  const completed = await publishFiles(client, output, source, `/api/bases/${id}`, {}, files);
  result(output, completed, () => `imported ${id}`);
}

/** @param writer what writes all that is required */
async function filesIn(
  folder: string,
  known: (name: string) => boolean,
  required: readonly string[],
  writer: string,
): Promise<string[]> {
  const all = await readdir(folder).catch(() => {
    throw new CliError(EXIT.usage, `${folder} is not a folder that can be read`);
  });
  const names = all.filter(known).sort();
  const missing = required.filter((name) => !names.includes(name));
  if (missing.length > 0) {
    const pickle = all.includes('adapter_model.bin')
      ? ' adapter_model.bin is a pickle and is not taken; save with safe_serialization=True.'
      : '';
    throw new CliError(
      EXIT.usage,
      `${folder} has no ${missing.join(' and no ')}.${pickle}`,
      `A folder that ${writer} wrote has all of it.`,
    );
  }
  return names;
}

async function headerOf(path: string) {
  await using handle = await open(path);
  const { size } = await handle.stat();
  return await readHeader(async (offset, length) => {
    const { buffer, bytesRead } = await handle.read(new Uint8Array(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  }, size);
}

function asRefusal(error: unknown): unknown {
  if (error instanceof AdapterProblems)
    return new CliError(EXIT.refused, list(error.problems.map(({ message }) => message)));
  if (error instanceof AdapterError) return new CliError(EXIT.refused, error.message);
  if (error instanceof SyntaxError) return new CliError(EXIT.refused, `not JSON: ${error.message}`);
  return error;
}
