/** Checkpoint folders: what is wrong with one is named; narrow weights are widened once for as long as they stay the same. */
import { cp, mkdtemp, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseHeader, writeSafetensors } from '../../adapter/safetensors.ts';
import { openCheckpoint } from './checkpoint.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures/parity', import.meta.url));

async function copyOf(name: string): Promise<string> {
  const folder = join(await mkdtemp(join(tmpdir(), 'patchbay-checkpoint-')), name);
  await cp(join(fixtures, name), folder, { recursive: true });
  return folder;
}

type Tensors = Parameters<typeof writeSafetensors>[0];

/** Writes `name` again with other tensors. */
async function rewrite(folder: string, name: string, change: (tensors: Tensors) => Tensors): Promise<void> {
  const file = await readFile(join(folder, name));
  const length = Number(file.readBigUInt64LE(0));
  const header = parseHeader(file.subarray(8, 8 + length), file.length);
  const tensors = header.tensors.map(({ name, dtype, shape, begin, end }) => ({
    name,
    dtype,
    shape,
    data: file.subarray(header.dataOffset + begin, header.dataOffset + end),
  }));
  await writeFile(join(folder, name), writeSafetensors(change(tensors)));
}

const widenedIn = async (folder: string) =>
  (await readdir(folder)).filter((name) => name.startsWith('patchbay-float32'));

describe('a checkpoint', () => {
  it('with a tensor missing names it and its shape', async () => {
    const folder = await copyOf('smollm2');
    await rewrite(folder, 'model.safetensors', (tensors) =>
      tensors.filter(({ name }) => name !== 'model.norm.weight'),
    );
    await expect(openCheckpoint(folder)).rejects.toThrow(
      /^model\.norm\.weight is missing; it should be \[\d+\]$/,
    );
  });

  it('with a tensor of another shape names both shapes', async () => {
    const folder = await copyOf('smollm2');
    await rewrite(folder, 'model.safetensors', (tensors) =>
      tensors.map((tensor) =>
        tensor.name === 'model.norm.weight' ? { ...tensor, shape: [1, ...tensor.shape] } : tensor,
      ),
    );
    await expect(openCheckpoint(folder)).rejects.toThrow(
      /^model\.norm\.weight is \[1,\d+\]; config\.json makes it \[\d+\]$/,
    );
  });

  it('with one tensor in two files names the files', async () => {
    const folder = await copyOf('mistral');
    const [first, second] = (await readdir(folder)).filter((name) => name.endsWith('.safetensors')).sort();
    let stray: Tensors = [];
    await rewrite(folder, first!, (tensors) => {
      stray = tensors.slice(0, 1);
      return tensors;
    });
    await rewrite(folder, second!, (tensors) => [...tensors, ...stray]);
    await expect(openCheckpoint(folder)).rejects.toThrow(`is in two files, ${first} and ${second}`);
  });

  it('whose index leads out of its folder is refused', async () => {
    const folder = await copyOf('mistral');
    const index = { weight_map: { 'model.norm.weight': '../mistral/model.safetensors' } };
    await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify(index));
    await expect(openCheckpoint(folder)).rejects.toThrow();
  });
});

describe.each(['llama3', 'qwen2'] as const)('%s in half precision', (name) => {
  it('is widened once, also when two open it at the same time', async () => {
    const folder = await copyOf(name);
    const [one, other] = await Promise.all([openCheckpoint(folder), openCheckpoint(folder)]);
    const { file } = one.weight('model.norm.weight');
    expect(other.weight('model.norm.weight')).toEqual(one.weight('model.norm.weight'));
    expect(await widenedIn(folder)).toEqual([file]);
    const before = await readFile(join(folder, file));
    await openCheckpoint(folder);
    expect(await readFile(join(folder, file))).toEqual(before);
  });

  it('is widened again when its weights change', async () => {
    const folder = await copyOf(name);
    const before = (await openCheckpoint(folder)).weight('model.norm.weight').file;
    await utimes(join(folder, 'model.safetensors'), new Date(), new Date(Date.now() + 60_000));
    expect((await openCheckpoint(folder)).weight('model.norm.weight').file).not.toBe(before);
  });
});
