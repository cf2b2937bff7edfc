/** A small, right adapter for any base, for tests: the bad files are this one with one thing wrong. */
import type { BaseConfig } from './base-config.ts';
import { moduleTable } from './base-config.ts';
import { type Dtype, type TensorToWrite, writeSafetensors } from './safetensors.ts';

export interface AdapterFiles {
  /** adapter_config.json */
  readonly config: string;
  /** adapter_model.safetensors */
  readonly weights: Uint8Array<ArrayBuffer>;
}

export const SAMPLE_RANK = 2;
export const SAMPLE_MODULES = ['model.layers.0.self_attn.q_proj', 'model.layers.0.self_attn.v_proj'] as const;

export function sampleConfig(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    r: SAMPLE_RANK,
    lora_alpha: 4,
    target_modules: ['q_proj', 'v_proj'],
    ...changes,
  };
}

/** A tensor that holds 0.5 throughout, but for the values given. */
export function sampleTensor(
  name: string,
  shape: readonly number[],
  dtype: Dtype = 'F32',
  value: 'half' | 'zero' = 'half',
): TensorToWrite {
  const count = shape.reduce((product, size) => product * size, 1);
  const word = value === 'zero' ? 0 : { F32: 0x3f000000, F16: 0x3800, BF16: 0x3f00 }[dtype];
  const words = dtype === 'F32' ? new Uint32Array(count) : new Uint16Array(count);
  return { name, dtype, shape, data: new Uint8Array(words.fill(word).buffer) };
}

export function sampleTensors(base: BaseConfig, dtype: Dtype = 'F32'): TensorToWrite[] {
  const modules = moduleTable(base);
  return SAMPLE_MODULES.flatMap((module) => {
    const { in: inputs, out: outputs } = modules.get(module)!;
    return [
      sampleTensor(`base_model.model.${module}.lora_A.weight`, [SAMPLE_RANK, inputs], dtype),
      sampleTensor(`base_model.model.${module}.lora_B.weight`, [outputs, SAMPLE_RANK], dtype),
    ];
  });
}

export function sampleAdapter(base: BaseConfig): AdapterFiles {
  return { config: JSON.stringify(sampleConfig()), weights: writeSafetensors(sampleTensors(base)) };
}
