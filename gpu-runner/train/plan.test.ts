import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { parseBaseConfig } from '../../adapter/base-config.ts';
import type { Hyperparameters } from '../../functions/train.ts';
import { decide, planJob } from './plan.ts';
import { JobRefusal } from './refusal.ts';

const file = new URL('../../test/fixtures/parity/smollm2/config.json', import.meta.url);
const base = parseBaseConfig(JSON.parse(await readFile(file, 'utf8')));

function plan(asked: Hyperparameters, steps = 28) {
  return planJob(base, 'a/base', asked, decide(base, asked, 100), { steps, seed: 1 });
}
const refusal = (asked: Hyperparameters) => {
  try {
    plan(asked);
  } catch (error) {
    if (error instanceof JobRefusal) return error.failure;
    throw error;
  }
  return undefined;
};

describe('a plan', () => {
  it('keeps what was measured: checkpoints are made where the job is evaluated', () => {
    for (const steps of [1, 3, 10, 28, 99, 1000]) {
      const { evaluateEvery, saveEvery } = plan({}, steps);
      expect(saveEvery % evaluateEvery).toBe(0);
      expect(Math.ceil(steps / saveEvery)).toBeLessThanOrEqual(5);
    }
    expect(plan({ eval_steps: 3, save_steps: 4 })).toMatchObject({ evaluateEvery: 3, saveEvery: 4 });
  });

  it('takes an alpha of twice the rank, and with rsLoRA one for all ranks', () => {
    expect(plan({ r: 64 }).config).toMatchObject({ r: 64, lora_alpha: 128 });
    expect(plan({ r: 64, use_rslora: true }).config).toMatchObject({ r: 64, lora_alpha: 32 });
    expect(plan({ r: 64, use_rslora: true, lora_alpha: 7 }).config).toMatchObject({ lora_alpha: 7 });
  });

  it('refuses patterns that would change nothing', () => {
    expect(plan({ rank_pattern: { q_proj: 4, '(k|v)_proj': 2 } }).config).toMatchObject({ r: 16 });
    expect(refusal({ rank_pattern: { q_proj: 4, q_prj: 64 } })).toMatchObject({
      param: 'hyperparameters.rank_pattern',
      message: expect.stringMatching(/rank_pattern: q_prj would change nothing.*q_proj/),
    });
    expect(refusal({ target_modules: ['v_proj'], alpha_pattern: { q_proj: 4 } })?.param).toBe(
      'hyperparameters.alpha_pattern',
    );
    // What comes first takes all that the second would.
    expect(refusal({ rank_pattern: { '[qk]_proj': 4, q_proj: 8 } })?.message).toContain('q_proj');
  });
});
