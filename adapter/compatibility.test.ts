import { expect, test } from 'vitest';
import { compatibility } from './compatibility.ts';
import { parsePeftConfig } from './peft-config.ts';

const facts = { base: 'patchbay/tiny', rank: 8, bytes: 1e6, targetModules: ['q_proj', 'v_proj'] };
const config = (more: object = {}) => parsePeftConfig({ peft_type: 'LORA', r: 8, lora_alpha: 16, ...more });

function on(platform: string, more: object = {}, changed: Partial<typeof facts> = {}) {
  return compatibility(config(more), { ...facts, ...changed }).find((one) => one.platform === platform)!;
}

test('a plain adapter of small rank runs on the servers that take any base', () => {
  for (const platform of ['Patchbay', 'PEFT', 'vLLM', 'LoRAX', 'TGI'])
    expect(on(platform)).toMatchObject({ runs: 'yes', reasons: [] });
  expect(on('Ollama').runs).toBe('with changes');
});

test('what a server would leave out, and so answer as another model, is a reason against it', () => {
  expect(on('vLLM', { use_dora: true })).toMatchObject({
    runs: 'no',
    reasons: [expect.stringContaining('DoRA')],
  });
  expect(on('PEFT', { use_dora: true }).runs).toBe('yes');
  expect(on('Ollama', { use_rslora: true }).runs).toBe('no');
  expect(on('vLLM', { use_rslora: true }).runs).toBe('yes');
  expect(on('LoRAX', { alpha_pattern: { q_proj: 4 } }).runs).toBe('no');
  expect(on('TGI', {}, { targetModules: ['lm_head'] }).runs).toBe('no');
});

test('limits are told with the figure that exceeds them', () => {
  expect(on('vLLM', {}, { rank: 64 })).toMatchObject({
    runs: 'with changes',
    reasons: ['start it with --max-lora-rank of at least 64'],
  });
  expect(on('vLLM', {}, { rank: 1000 })).toMatchObject({ runs: 'no' });
  expect(on('Fireworks', {}, { rank: 2 }).reasons).toEqual(['takes ranks from 4; this one has 2']);
  expect(on('Workers AI', {}, { bytes: 6e8 }).reasons).toEqual([
    'takes 500 MB at most; this one has 600',
    'does not serve patchbay/tiny',
  ]);
  expect(on('Workers AI', {}, { base: 'google/gemma-3-12b-it' }).runs).toBe('with changes');
});

test('every entry says where it comes from, and when that was read', () => {
  for (const { source, asOf } of compatibility(config(), facts)) {
    expect(source).not.toBe('');
    expect(asOf).toMatch(/^\d{4}-\d{2}-\d{2}$/);
  }
});
