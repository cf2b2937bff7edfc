import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { moduleTable, parseBaseConfig } from './base-config.ts';
import { AdapterProblems } from './error.ts';
import { inspectAdapter } from './inspect.ts';
import { parsePeftConfig } from './peft-config.ts';
import { readHeader, writeSafetensors } from './safetensors.ts';
import { sampleConfig, sampleTensor, sampleTensors } from './sample-adapter.ts';

const fixtures = join(import.meta.dirname, '../test/fixtures');
/** Its head is a matrix of its own. */
const checkpoint = join(fixtures, 'parity/llama2');
const base = parseBaseConfig(JSON.parse(await readFile(join(checkpoint, 'config.json'), 'utf8')));
const modules = moduleTable(base);
const python = process.env['PATCHBAY_PYTHON'] ?? 'python3';
const hasPeft = spawnSync(python, ['-c', 'import torch, transformers, peft']).status === 0;

async function inspect(config: unknown, file: Uint8Array) {
  const header = await readHeader(async (at, length) => file.subarray(at, at + length), file.length);
  try {
    return inspectAdapter(parsePeftConfig(config), header, modules);
  } catch (error) {
    if (error instanceof AdapterProblems) return error.problems.map(({ message }) => message);
    throw error;
  }
}

const head = modules.get('lm_head')!;
const copy = (name: string, shape: [number, number]) => sampleTensor(`base_model.model.${name}`, shape);

describe('a full copy of a module', () => {
  it.each([
    ['as PEFT saves it', 'lm_head.weight', ['lm_head']],
    ['as older ones do', 'lm_head.modules_to_save.weight', ['lm_head']],
    ['that was saved without being asked for', 'lm_head.weight', null],
  ])('%s is refused with its size', async (_, name, declared) => {
    const tensors = [...sampleTensors(base), copy(name, [head.out, head.in])];
    const problems = await inspect(sampleConfig({ modules_to_save: declared }), writeSafetensors(tensors));
    expect(problems).toEqual([
      expect.stringMatching(/^lm_head is a full copy \(modules_to_save\): [\d.]+ MB, \d+% of the file\./),
    ]);
    expect(String(problems)).toMatch(/at rank 64 its change is [\d.]+ MB/);
  });

  it('of what is neither a linear nor the embedding is named, too', async () => {
    const tensors = [...sampleTensors(base), sampleTensor('base_model.model.model.norm.weight', [1, 8])];
    expect(await inspect(sampleConfig({ modules_to_save: ['norm'] }), writeSafetensors(tensors))).toEqual([
      expect.stringMatching(/^model\.norm is a full copy/),
    ]);
  });

  it('that is announced must be there', async () => {
    const file = writeSafetensors(sampleTensors(base));
    expect(await inspect(sampleConfig({ modules_to_save: ['lm_head'] }), file)).toEqual([
      expect.stringContaining('the file has no copy'),
    ]);
  });

  it.skipIf(!hasPeft)('becomes LoRA by the script that is documented', { timeout: 240_000 }, async () => {
    const page = await readFile(join(import.meta.dirname, '../docs/publish-gate.md'), 'utf8');
    const folder = await mkdtemp(join(tmpdir(), 'patchbay-copies-'));
    const script = join(folder, 'modules_to_lora.py');
    await writeFile(script, /```python\n(.*?)```/s.exec(page)![1]!);
    const args = [join(fixtures, 'full_copies.py'), checkpoint, folder, script, '8'];
    const { stdout } = await promisify(execFile)(python, args);
    const read = async (name: string) => {
      const file = await readFile(join(folder, name, 'adapter_model.safetensors'));
      const config = JSON.parse(await readFile(join(folder, name, 'adapter_config.json'), 'utf8'));
      return inspect(config, file);
    };
    expect(await read('copies')).toHaveLength(2);
    expect(await read('converted')).toMatchObject({
      targetModules: ['embed_tokens', 'lm_head', 'q_proj', 'v_proj'],
    });
    await rm(folder, { recursive: true });
    expect(Number(stdout)).toBeLessThan(1e-3);
  });
});
