import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePeftConfig } from './peft-config.ts';
import { moduleScales } from './scale.ts';

function scaleOf(module: string, fields: Readonly<Record<string, unknown>>) {
  return moduleScales(parsePeftConfig({ peft_type: 'LORA', r: 4, lora_alpha: 8, ...fields }))(module);
}

const Q = 'model.layers.0.self_attn.q_proj';

describe('scale of a module', () => {
  it('is alpha / r, and alpha / sqrt(r) with rsLoRA', () => {
    expect(scaleOf(Q, {})).toEqual({ rank: 4, alpha: 8, scale: 2 });
    expect(scaleOf(Q, { use_rslora: true }).scale).toBe(4);
  });

  it('takes rank and alpha each from the first pattern that matches', () => {
    const rank_pattern = { 'layers.0.self_attn.q_proj': 16, q_proj: 2 };
    const alpha_pattern = { '.*\\.(k|q)_proj': 32 };
    expect(scaleOf(Q, { rank_pattern, alpha_pattern })).toEqual({ rank: 16, alpha: 32, scale: 2 });
    expect(scaleOf(Q.replace('0', '7'), { rank_pattern }).rank).toBe(2);
    expect(scaleOf(Q.replace('q_', 'o_'), { rank_pattern }).rank).toBe(4);
  });

  it('matches whole parts of the path only', () => {
    expect(scaleOf('model.layers.10.mlp.up_proj', { rank_pattern: { '0.mlp.up_proj': 2 } }).rank).toBe(4);
    expect(scaleOf('model.layers.0.mlp.up_proj', { rank_pattern: { 'layers.0': 2 } }).rank).toBe(4);
  });

  it('anchors where the pattern does', () => {
    expect(scaleOf('lm_head', { rank_pattern: { '^lm_head': 2 } }).rank).toBe(2);
    expect(scaleOf('model.lm_head', { rank_pattern: { '^lm_head': 2 } }).rank).toBe(4);
  });

  it('agrees with the expression that PEFT runs, for names, dots and simple expressions', () => {
    const pieces = [
      'q_proj',
      'k',
      'model',
      '.',
      '\\.',
      'layers',
      '0',
      '1',
      '11',
      '^',
      '.*',
      '(0|1)',
      '[0-9]+',
      '-',
      'a?',
    ];
    const key = fc.array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 6 }).map((it) => it.join(''));
    const part = fc.constantFrom('q_proj', 'k', 'model', 'layers', '0', '1', '11', 'a', '-');
    const module = fc.array(part, { minLength: 1, maxLength: 5 }).map((it) => it.join('.'));
    fc.assert(
      fc.property(key, module, (pattern, path) => {
        fc.pre(!/\^.*\^|\*\*|\+\+|[?*+][?*+]/.test(pattern));
        const expected = new RegExp(`^(?:(.*\\.)?(${pattern})$)`).test(path);
        expect(scaleOf(path, { rank_pattern: { [pattern]: 2 } }).rank, `${pattern} on ${path}`).toBe(
          expected ? 2 : 4,
        );
      }),
      { numRuns: 2000 },
    );
  });

  it('takes time in proportion to the path for the expression that hangs other engines', () => {
    const pattern = '(x+x+)+y';
    expect(scaleOf('x'.repeat(5000), { rank_pattern: { [pattern]: 2 } }).rank).toBe(4);
  }, 2000);
});
