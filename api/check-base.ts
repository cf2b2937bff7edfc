/** Whether uploaded files are a checkpoint that a runner can serve: every tensor there, in the right shape. */
import { z } from 'zod';
import { baseTensors, parseBaseConfig } from '../adapter/base-config.ts';
import { parseStrictJson } from '../adapter/json.ts';
import { type Content, checkStorable, readHeaderOf, readJson, readText, refusedFile } from './content.ts';
import { ApiError, type Problem, refused } from './errors.ts';

/** More reasons than this help nobody. */
const MAX_PROBLEMS = 50;
const Shards = z.object({ weight_map: z.record(z.string(), z.string()) });

export async function checkBase(
  contents: ReadonlyMap<string, Content>,
): Promise<{ config: unknown; parameters: number }> {
  const file = contents.get('config.json')!;
  const config = parseStrictJson(await readText(file), file.path);
  checkStorable(file.path, config);
  try {
    const expected = baseTensors(parseBaseConfig(config));
    const shapes = await shapesOf(contents);
    const problems = compare(expected, shapes);
    if (problems.length > 0)
      throw new ApiError('refused', problems[0]!.detail, { problems: problems.slice(0, MAX_PROBLEMS) });
    await checkTokenizer(contents);
    const parameters = [...expected.values()].reduce(
      (sum, shape) => sum + shape.reduce((a, b) => a * b, 1),
      0,
    );
    return { config, parameters };
  } catch (error) {
    throw refused(error) ?? error;
  }
}

/** Tensor shapes over all shards; the index, where there is one, must name the shard that holds each. */
async function shapesOf(contents: ReadonlyMap<string, Content>): Promise<Map<string, readonly number[]>> {
  const shapes = new Map<string, readonly number[]>();
  const homes = new Map<string, string>();
  for (const content of contents.values()) {
    if (!content.path.endsWith('.safetensors')) continue;
    const header = await readHeaderOf(content);
    for (const { name, shape } of header.tensors) {
      if (homes.has(name))
        throw refusedFile(
          content.path,
          'duplicate_tensor',
          `holds ${name}, which ${homes.get(name)} holds too`,
        );
      homes.set(name, content.path);
      shapes.set(name, shape);
    }
  }
  const index = contents.get('model.safetensors.index.json');
  const shards = new Set(homes.values());
  if (!index && shards.size > 1)
    throw new ApiError(
      'refused',
      'model.safetensors.index.json is missing: the weights are in several files',
    );
  if (index) {
    const checked = Shards.safeParse(await readJson(index));
    if (!checked.success)
      throw refusedFile(index.path, 'index_invalid', 'has no weight_map from tensor names to file names');
    for (const [tensor, file] of Object.entries(checked.data.weight_map)) {
      if (homes.get(tensor) !== file)
        throw refusedFile(
          index.path,
          'index_invalid',
          `says that ${tensor} is in ${file}; it is in ${homes.get(tensor) ?? 'none of the files'}`,
        );
    }
  }
  return shapes;
}

function compare(
  expected: ReadonlyMap<string, readonly number[]>,
  shapes: ReadonlyMap<string, readonly number[]>,
): Problem[] {
  const problems: Problem[] = [];
  for (const [name, shape] of expected) {
    const actual = shapes.get(name);
    if (!actual)
      problems.push({
        code: 'tensor_missing',
        detail: `${name} is missing; it should be [${shape}]`,
        field: name,
      });
    else if (String(actual) !== String(shape)) {
      problems.push({
        code: 'shape_mismatch',
        detail: `${name} is [${actual}]; config.json makes it [${shape}]`,
        field: name,
      });
    }
  }
  return problems;
}

async function checkTokenizer(contents: ReadonlyMap<string, Content>): Promise<void> {
  const tokenizer = z
    .object({ model: z.looseObject({}) })
    .safeParse(await readJson(contents.get('tokenizer.json')!));
  if (!tokenizer.success)
    throw refusedFile(
      'tokenizer.json',
      'tokenizer_invalid',
      'has no `model`: it is not a tokenizer of the tokenizers library',
    );
  const config = z.looseObject({}).safeParse(await readJson(contents.get('tokenizer_config.json')!));
  if (!config.success)
    throw refusedFile('tokenizer_config.json', 'tokenizer_invalid', 'is not a JSON object');
}
