import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AdapterProblems } from './error.ts';
import { parsePeftConfig, readPeftConfig, renamingBase } from './peft-config.ts';

const parity = fileURLToPath(new URL('../test/fixtures/parity/', import.meta.url));

/** Every field of LoraConfig in PEFT 0.21.2 at its default, as `save_pretrained` writes it. */
const defaults = {
  alora_invocation_tokens: null,
  alpha_pattern: {},
  arrow_config: null,
  auto_mapping: null,
  base_model_name_or_path: null,
  bias: 'none',
  corda_config: null,
  ensure_weight_tying: false,
  eva_config: null,
  exclude_modules: null,
  fan_in_fan_out: false,
  inference_mode: false,
  init_lora_weights: true,
  kasa_config: null,
  layer_replication: null,
  layers_pattern: null,
  layers_to_transform: null,
  loftq_config: {},
  lora_alpha: 8,
  lora_bias: false,
  lora_dropout: 0.0,
  lora_ga_config: null,
  megatron_config: null,
  megatron_core: 'megatron.core',
  modules_to_save: null,
  monteclora_config: null,
  peft_type: 'LORA',
  peft_version: '0.21.2',
  qalora_group_size: 16,
  r: 8,
  rank_pattern: {},
  revision: null,
  target_modules: null,
  target_parameters: null,
  task_type: 'CAUSAL_LM',
  trainable_token_indices: null,
  use_bdlora: null,
  use_dora: false,
  use_qalora: false,
  use_rslora: false,
  velora_config: null,
};

describe('adapter_config.json', () => {
  it('is understood at all of its defaults', () => {
    expect(parsePeftConfig(defaults)).toEqual({
      rank: 8,
      alpha: 8,
      useRslora: false,
      useDora: false,
      rankPattern: {},
      alphaPattern: {},
      fanInFanOut: false,
      targetModules: null,
      modulesToSave: [],
      dropout: 0,
      peftVersion: '0.21.2',
    });
  });

  it('is understood as PEFT wrote it', async () => {
    const paths = globSync('*/adapters/*/adapter_config.json', { cwd: parity });
    expect(paths.length).toBeGreaterThan(10);
    for (const path of paths) {
      const written = JSON.parse(await readFile(parity + path, 'utf8'));
      expect(Object.keys(written).sort()).toEqual(Object.keys(defaults).sort());
      expect(parsePeftConfig(written)).toMatchObject({
        rank: written.r,
        alphaPattern: written.alpha_pattern,
      });
    }
  });

  it.each(['gaussian', 'orthogonal', 'eva', 'mica', false])('takes the initialisation %s', (init) => {
    expect(parsePeftConfig({ ...defaults, init_lora_weights: init }).rank).toBe(8);
  });

  it('records target_modules, whatever they are, and never runs them', () => {
    for (const target_modules of ['all-linear', '(x+x+)+y', ['q_proj'], null])
      expect(parsePeftConfig({ ...defaults, target_modules }).targetModules).toEqual(target_modules);
  });

  it.each([
    ['bias', 'lora_only'],
    ['bias', null],
    ['kasa_config', 0],
    ['lora_bias', 'false'],
  ])('refuses %s: %j, which PEFT would take for "yes"', (field, value) => {
    expect(readPeftConfig({ ...defaults, [field]: value }).problems).toMatchObject([
      { code: 'field_unsupported', field },
    ]);
  });

  it('says how an adapter that has changed its base can be converted', () => {
    expect(() => parsePeftConfig({ ...defaults, init_lora_weights: 'pissa' })).toThrow(
      'path_initial_model_for_weight_conversion',
    );
  });

  it('is copied for the base by the name that it has here, and left alone where it names that or none', () => {
    const config = { ...defaults, base_model_name_or_path: '/home/me/llama', revision: 'a1b2' };
    const renamed = { ...config, base_model_name_or_path: 'some/llama', revision: null };
    expect(renamingBase(config, 'some/llama')).toEqual(renamed);
    expect(renamingBase(renamed, 'some/llama')).toBeUndefined();
    expect(renamingBase(defaults, 'some/llama')).toBeUndefined();
  });

  it('is read or refused, whatever JSON it is', () => {
    const fields = fc.dictionary(
      fc.oneof(fc.constantFrom(...Object.keys(defaults)), fc.string()),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(fields, (changes) => {
        try {
          expect(parsePeftConfig({ ...defaults, ...changes }).rank).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(AdapterProblems);
          for (const { message } of (error as AdapterProblems).problems)
            expect(message.length).toBeLessThan(400);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
