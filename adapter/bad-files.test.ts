import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { badFiles } from './bad-files.ts';
import { parseBaseConfig } from './base-config.ts';
import { checkAdapter } from './check.ts';
import { type AdapterError, problemsOf } from './error.ts';
import { parseStrictJson } from './json.ts';
import { readHeader, type SafetensorsHeader, writeSafetensors } from './safetensors.ts';
import { type AdapterFiles, sampleAdapter, sampleConfig, sampleTensors } from './sample-adapter.ts';
import { createScan } from './scan.ts';

const fixture = new URL('../test/fixtures/parity/smollm2/config.json', import.meta.url);
const base = parseBaseConfig(JSON.parse(await readFile(fixture, 'utf8')));

function problemsIn({ config, weights }: AdapterFiles): Promise<readonly AdapterError[]> {
  const read = async (offset: number, length: number) => weights.subarray(offset, offset + length);
  const files = {
    readConfig: async () => parseStrictJson(config, 'adapter_config.json'),
    readHeader: () => readHeader(read, weights.length),
    scan: async (header: SafetensorsHeader) => {
      const scan = createScan(header);
      for (let at = 0; at < weights.length; at += 777) scan.push(weights.subarray(at, at + 777));
      scan.finish();
    },
  };
  return checkAdapter(files, { id: 'parity/smollm2', config: base }).then(() => [], problemsOf);
}

describe('the corpus of bad files', () => {
  const files = badFiles(base);

  it('holds at least forty, each with a name of its own', () => {
    expect(files.length).toBeGreaterThanOrEqual(40);
    expect(new Set(files.map(({ name }) => name)).size).toBe(files.length);
  });

  it('is made from an adapter that is accepted', async () => {
    expect(await problemsIn(sampleAdapter(base))).toEqual([]);
  });

  it.each(files)('$name: $code', async ({ code, ...bad }) => {
    const problems = await problemsIn(bad);
    expect(problems.length).toBeGreaterThan(0);
    for (const problem of problems) {
      expect(problem.code, problem.message).toBe(code);
      expect(problem.message.length).toBeLessThan(600);
    }
  });
});

describe('an adapter with several things wrong', () => {
  it('is told all of them: of its configuration, its tensors and their values', async () => {
    const tensors = sampleTensors(base).map((tensor, i) =>
      i === 0 ? { ...tensor, name: tensor.name.replace('q_proj', 'q_porj') } : tensor,
    );
    new Uint32Array(tensors.at(-1)!.data.buffer).fill(0x7fc00000);
    const config = sampleConfig({
      base_model_name_or_path: '/home/me/SmolLM2',
      init_lora_weights: 'pissa',
      lora_bias: true,
      use_qalora: true,
      use_quantum: true,
      task_type: 'SEQ_CLS',
      r: 7,
    });
    const problems = await problemsIn({
      config: JSON.stringify(config),
      weights: writeSafetensors(tensors),
    });
    expect(problems.map(({ code, field }) => [code, field])).toEqual([
      ['field_unsupported', 'init_lora_weights'],
      ['field_unsupported', 'lora_bias'],
      ['field_unsupported', 'use_qalora'],
      ['field_unknown', 'use_quantum'],
      ['config_invalid', 'task_type'],
      ['base_mismatch', 'base_model_name_or_path'],
      ['module_unknown', 'model.layers.0.self_attn.q_porj'],
      ['pair_incomplete', 'model.layers.0.self_attn.q_proj'],
      ['rank_mismatch', 'model.layers.0.self_attn.v_proj'],
      ['not_finite', tensors.at(-1)!.name],
    ]);
    expect(problems[5]!.message).toContain('write "base_model_name_or_path": "parity/smollm2"');
  });

  it('is told what its tensors are, though its configuration is no JSON', async () => {
    const { weights } = sampleAdapter(base);
    const problems = await problemsIn({ config: '{', weights: weights.slice(0, -1) });
    expect(problems.map(({ code }) => code)).toEqual(['json_invalid', 'data_truncated']);
  });

  it('is told of its ranks only where the configuration says what they should be', async () => {
    const { weights } = sampleAdapter(base);
    const problems = await problemsIn({ config: JSON.stringify(sampleConfig({ r: 'many' })), weights });
    expect(problems.map(({ code, field }) => [code, field])).toEqual([['config_invalid', 'r']]);
  });
});
