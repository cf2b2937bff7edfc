/**
 * The rotary settings of a base's config.json, in both spellings: `rope_theta` with `rope_scaling` (transformers 4), or all
 * of it in `rope_parameters` (transformers 5).
 */
import { z } from 'zod';
import { invalidBaseConfig as invalid } from './error.ts';

export type RopeScaling =
  | { readonly type: 'linear'; readonly factor: number }
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
      readonly originalContextLength: number;
    };

export const RotaryFields = z.object({
  rope_theta: z.number().positive().nullish(),
  rope_scaling: z.record(z.string(), z.unknown()).nullish(),
  rope_parameters: z.record(z.string(), z.unknown()).nullish(),
  original_max_position_embeddings: z.int().nullish(),
});
export type RotaryFields = z.infer<typeof RotaryFields>;

const Rope = z.object({
  rope_type: z.string().nullish(),
  type: z.string().nullish(),
  rope_theta: z.number().positive().nullish(),
  partial_rotary_factor: z.literal(1).nullish(),
});
const Linear = z.object({ factor: z.number().positive() });
const Llama3 = z.object({
  factor: z.number().positive(),
  low_freq_factor: z.number().positive(),
  high_freq_factor: z.number().positive(),
  original_max_position_embeddings: z.int().min(1),
});

/** @throws AdapterError base_config_invalid */
export function rotary(config: RotaryFields): { ropeTheta: number; ropeScaling: RopeScaling | null } {
  if (config.rope_scaling != null && config.rope_parameters != null)
    throw invalid('rope_scaling', 'and rope_parameters are both there; keep the one that was trained with');
  const field = config.rope_parameters == null ? 'rope_scaling' : 'rope_parameters';
  const parameters = config[field] ?? {};
  const checked = Rope.safeParse(parameters);
  if (!checked.success) {
    const issue = checked.error.issues[0]!;
    throw invalid(`${field}.${issue.path.join('.')}`, `is not as it should be: ${issue.message}`);
  }
  const { rope_type, type, rope_theta } = checked.data;
  return {
    ropeTheta: rope_theta ?? config.rope_theta ?? 10_000,
    ropeScaling: scaling(rope_type ?? type ?? 'default', parameters, field, config),
  };
}

function scaling(
  type: string,
  parameters: Record<string, unknown>,
  field: string,
  config: RotaryFields,
): RopeScaling | null {
  if (type === 'default') return null;
  if (type === 'linear') {
    const checked = Linear.safeParse(parameters);
    if (!checked.success) throw invalid(`${field}.factor`, 'must be a positive number');
    return { type, factor: checked.data.factor };
  }
  if (type === 'llama3') {
    const checked = Llama3.safeParse(parameters);
    if (!checked.success) {
      throw invalid(
        field,
        'of type llama3 needs factor, low_freq_factor, high_freq_factor and original_max_position_embeddings',
      );
    }
    return llama3(checked.data, field, config);
  }
  throw invalid(
    field,
    `has the type ${JSON.stringify(type.slice(0, 80))}; default, linear and llama3 are supported`,
  );
}

function llama3(parameters: z.infer<typeof Llama3>, field: string, config: RotaryFields): RopeScaling {
  const original = parameters.original_max_position_embeddings;
  if ((config.original_max_position_embeddings ?? original) !== original)
    throw invalid(
      'original_max_position_embeddings',
      `differs from the one in ${field}, which is ${original}`,
    );
  if (parameters.high_freq_factor <= parameters.low_freq_factor)
    throw invalid(`${field}.high_freq_factor`, 'must be larger than low_freq_factor');
  return {
    type: 'llama3',
    factor: parameters.factor,
    lowFreqFactor: parameters.low_freq_factor,
    highFreqFactor: parameters.high_freq_factor,
    originalContextLength: original,
  };
}
