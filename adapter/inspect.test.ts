import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { moduleTable, parseBaseConfig } from './base-config.ts';
import { AdapterProblems, MAX_PROBLEMS } from './error.ts';
import { inspectAdapter } from './inspect.ts';
import { parsePeftConfig } from './peft-config.ts';
import { readHeader, type TensorToWrite, writeSafetensors } from './safetensors.ts';
import { sampleConfig, sampleTensor, sampleTensors } from './sample-adapter.ts';

const parity = new URL('../test/fixtures/parity/', import.meta.url);
const readJson = async (url: URL): Promise<unknown> => JSON.parse(await readFile(url, 'utf8'));

async function inspectFile(base: string, adapter: string) {
  const folder = new URL(`${base}/adapters/${adapter}/`, parity);
  const file = await readFile(new URL('adapter_model.safetensors', folder));
  const header = await readHeader(async (at, length) => file.subarray(at, at + length), file.length);
  const config = parsePeftConfig(await readJson(new URL('adapter_config.json', folder)));
  const modules = moduleTable(parseBaseConfig(await readJson(new URL(`${base}/config.json`, parity))));
  return inspectAdapter(config, header, modules);
}

const base = parseBaseConfig(await readJson(new URL('smollm2/config.json', parity)));

async function problemsOf(tensors: readonly TensorToWrite[], fields: Readonly<Record<string, unknown>> = {}) {
  const file = writeSafetensors(tensors);
  const header = await readHeader(async (at, length) => file.subarray(at, at + length), file.length);
  try {
    inspectAdapter(parsePeftConfig(sampleConfig(fields)), header, moduleTable(base));
    return [];
  } catch (error) {
    if (error instanceof AdapterProblems) return error.problems;
    throw error;
  }
}

describe('an adapter against its base', () => {
  it('accepts every adapter that PEFT made for the parity fixtures', async () => {
    for (const fixture of ['llama2', 'llama3', 'mistral', 'qwen2', 'qwen3', 'smollm2']) {
      for (const adapter of await readdir(new URL(`${fixture}/adapters/`, parity))) {
        const { modules, maxRank } = await inspectFile(fixture, adapter);
        expect(modules.length, `${fixture} ${adapter}`).toBeGreaterThan(0);
        expect(maxRank).toBe(Math.max(...modules.map(({ rank }) => rank)));
      }
    }
  });

  it('knows rank and scale of each module', async () => {
    const { modules } = await inspectFile('llama3', 'patterns');
    const of = (module: string) => modules.find((it) => it.module === `model.layers.${module}`);
    expect(of('2.self_attn.q_proj')).toMatchObject({ rank: 8, alpha: 32, scale: 4 });
    expect(of('1.self_attn.v_proj')).toMatchObject({ rank: 6, alpha: 8, scale: 8 / 6 });
    expect(of('0.mlp.down_proj')).toMatchObject({ rank: 2, alpha: 8, scale: 4 });
    expect(of('0.self_attn.o_proj')).toMatchObject({ rank: 4, alpha: 12, scale: 3 });
  });

  it('tells embeddings from linears', async () => {
    const { modules, targetModules } = await inspectFile('llama2', 'embedding');
    expect(targetModules).toEqual(['embed_tokens', 'v_proj']);
    expect(modules.find(({ kind }) => kind === 'embedding')?.a.shape).toEqual([4, 368]);
  });

  it('names every problem at once', async () => {
    const [a, b, c, d] = sampleTensors(base) as [TensorToWrite, TensorToWrite, TensorToWrite, TensorToWrite];
    const wide = (tensor: TensorToWrite) =>
      sampleTensor(
        tensor.name,
        tensor.shape.map((n) => n + 1),
      );
    const problems = await problemsOf([wide(a), wide(b), c, { ...d, name: 'stranger' }]);
    expect(problems.map(({ code }) => code).sort()).toEqual([
      'pair_incomplete',
      'shape_mismatch',
      'shape_mismatch',
      'tensor_name_invalid',
    ]);
    expect(problems.map(({ message }) => message).join()).toContain(
      'is [3,49]; for this base it should be [3,48]',
    );
  });

  it('stops at a number of problems that somebody can read', async () => {
    const strangers = Array.from({ length: 500 }, (_, i) => sampleTensor(`stranger.${i}`, [1]));
    expect(await problemsOf(strangers)).toHaveLength(MAX_PROBLEMS);
  });

  it.each([
    ['model.layers.0.self_attn.q_porj', 'model.layers.0.self_attn.q_proj'],
    ['layers.1.mlp.up_proj', 'model.layers.1.mlp.up_proj'],
    ['model.lm_head', 'lm_head'],
  ])('asks whether %s was meant to be %s', async (wrong, right) => {
    const problems = await problemsOf([sampleTensor(`base_model.model.${wrong}.lora_A.weight`, [2, 48])]);
    expect(problems[0]?.message).toBe(`The base has no module ${wrong}; did you mean ${right}?`);
  });

  it('suggests nothing where nothing is near', async () => {
    const problems = await problemsOf([
      sampleTensor('base_model.model.transformer.h.0.attn.lora_A.weight', [2, 48]),
    ]);
    expect(problems[0]?.message).toBe('The base has no module transformer.h.0.attn.');
  });
});
