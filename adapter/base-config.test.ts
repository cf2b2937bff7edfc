import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { baseTensors, moduleTable, parseBaseConfig } from './base-config.ts';
import { readHeader } from './safetensors.ts';

const fixtures = new URL('../test/fixtures/parity/', import.meta.url);

const llama = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 128,
  vocab_size: 320,
  max_position_embeddings: 512,
};
const qwen2 = { ...llama, architectures: ['Qwen2ForCausalLM'], model_type: 'qwen2' };
const mistral = { ...llama, architectures: ['MistralForCausalLM'], model_type: 'mistral' };

describe('a base configuration', () => {
  it.each(['llama-linear', 'llama2', 'llama3', 'mistral', 'qwen2', 'qwen3', 'smollm2'])(
    'names exactly the tensors that the checkpoint holds: %s',
    async (fixture) => {
      const folder = new URL(`${fixture}/`, fixtures);
      const config = parseBaseConfig(JSON.parse(await readFile(new URL('config.json', folder), 'utf8')));
      const held = new Map<string, readonly number[]>();
      for (const name of (await readdir(folder)).filter((file) => file.endsWith('.safetensors'))) {
        const file = await readFile(new URL(name, folder));
        const header = await readHeader(async (at, length) => file.subarray(at, at + length), file.length);
        for (const { name, shape } of header.tensors) held.set(name, shape);
      }
      expect(new Map([...baseTensors(config)].sort())).toEqual(new Map([...held].sort()));
    },
  );

  it('fills in what transformers would', () => {
    expect(parseBaseConfig({ ...llama, num_key_value_heads: null })).toMatchObject({
      kvHeads: 4,
      headDim: 16,
      ropeTheta: 10_000,
      rmsNormEps: 1e-6,
      slidingWindow: null,
      tieEmbeddings: false,
      eosTokenIds: [],
    });
    const qwen3 = { ...llama, architectures: ['Qwen3ForCausalLM'], model_type: 'qwen3' };
    expect(parseBaseConfig(qwen3)).toMatchObject({ headDim: 128, qkNorm: true, qkvBias: false });
    expect(parseBaseConfig(qwen2)).toMatchObject({ qkvBias: true, outputBias: false });
  });

  it('reads rotary settings in both spellings alike', () => {
    const llama3 = {
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 64,
    };
    const old = { rope_theta: 500_000, rope_scaling: { type: 'llama3', ...llama3 } };
    const current = { rope_parameters: { rope_type: 'llama3', rope_theta: 500_000, ...llama3 } };
    expect(parseBaseConfig({ ...llama, ...old })).toEqual(parseBaseConfig({ ...llama, ...current }));
    const plain = { rope_parameters: { rope_type: 'default', rope_theta: 7 } };
    expect(parseBaseConfig({ ...llama, ...plain })).toMatchObject({ ropeTheta: 7, ropeScaling: null });
  });

  it('has a sliding window exactly where transformers has one', () => {
    const windowOf = (config: unknown) => parseBaseConfig(config).slidingWindow;
    expect(windowOf({ ...llama, sliding_window: 8 })).toBe(null);
    expect(windowOf({ ...mistral, sliding_window: 8 })).toBe(8);
    expect(windowOf({ ...mistral, sliding_window: null })).toBe(null);
    expect(windowOf(mistral)).toBe(4096);
    expect(windowOf({ ...qwen2, sliding_window: 8, max_window_layers: 0 })).toBe(null);
    const used = { ...qwen2, sliding_window: 8, use_sliding_window: true };
    expect(windowOf({ ...used, max_window_layers: 0 })).toBe(8);
    expect(windowOf({ ...used, max_window_layers: 2 })).toBe(null);
    expect(windowOf(used)).toBe(null); // max_window_layers is 28
    expect(windowOf({ ...used, layer_types: ['sliding_attention', 'sliding_attention'] })).toBe(8);
  });

  it.each([
    ['architectures', { architectures: ['GPT2LMHeadModel'] }],
    ['architectures', { architectures: ['constructor'] }],
    ['architectures', { architectures: [] }],
    ['model_type', { model_type: 'gemma' }],
    ['hidden_size', { hidden_size: 0 }],
    ['num_hidden_layers', { num_hidden_layers: 1e9 }],
    ['num_key_value_heads', { num_key_value_heads: 3 }],
    ['head_dim', { head_dim: 15 }],
    ['head_dim', { hidden_size: 66 }],
    ['hidden_act', { hidden_act: 'gelu' }],
    ['quantization_config', { quantization_config: { quant_method: 'gptq' } }],
    ['auto_map', { auto_map: { AutoModelForCausalLM: 'x.Y' } }],
    ['pretraining_tp', { pretraining_tp: 2 }],
    ['partial_rotary_factor', { partial_rotary_factor: 0.5 }],
    ['rope_parameters.partial_rotary_factor', { rope_parameters: { partial_rotary_factor: 0.5 } }],
    ['rope_scaling', { rope_scaling: { type: 'yarn', factor: 4 } }],
    ['rope_scaling', { rope_scaling: { type: 'llama3', factor: 4 } }],
    ['rope_scaling.rope_type', { rope_scaling: { rope_type: 7 } }],
    ['rope_scaling.factor', { rope_scaling: { type: 'linear', factor: -1 } }],
    ['rope_scaling', { rope_scaling: { type: 'default' }, rope_parameters: { rope_type: 'default' } }],
    ['rope_theta', { rope_theta: 'large' }],
    ['attention_bias', { ...mistral, attention_bias: true }],
    ['mlp_bias', { ...qwen2, mlp_bias: true }],
    ['max_window_layers', { ...qwen2, use_sliding_window: true, max_window_layers: 1 }],
    [
      'layer_types',
      { ...qwen2, use_sliding_window: true, layer_types: ['full_attention', 'sliding_attention'] },
    ],
    ['layer_types', { ...qwen2, use_sliding_window: true, layer_types: ['full_attention'] }],
    ['layer_types', { ...qwen2, layer_types: ['linear_attention', 'full_attention'] }],
  ])('names %s where it cannot be done: %j', (field, changes) => {
    expect(() => parseBaseConfig({ ...llama, ...changes })).toThrow(
      expect.objectContaining({ name: 'AdapterError', field, message: expect.stringContaining(field) }),
    );
  });

  it.each([null, 7, 'llama', []])('refuses %j', (value) => {
    expect(() => parseBaseConfig(value)).toThrow(expect.objectContaining({ code: 'base_config_invalid' }));
  });

  it('lists every module that an adapter may change', () => {
    const table = moduleTable(parseBaseConfig(llama));
    expect(table.size).toBe(2 + 2 * 7);
    expect(table.get('model.layers.1.self_attn.k_proj')).toEqual({ in: 64, out: 32, kind: 'linear' });
    expect(table.get('model.layers.1.mlp.down_proj')).toEqual({ in: 128, out: 64, kind: 'linear' });
    expect(table.get('lm_head')).toEqual({ in: 64, out: 320, kind: 'linear' });
    expect(table.get('model.embed_tokens')).toEqual({ in: 320, out: 64, kind: 'embedding' });
  });
});
