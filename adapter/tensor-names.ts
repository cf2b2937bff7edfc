/** Names of tensors in a PEFT file: `base_model.model.<module path>.<part>`. */
import { AdapterError } from './error.ts';

export type LoraPart =
  | 'lora_A'
  | 'lora_B'
  | 'lora_embedding_A'
  | 'lora_embedding_B'
  /** DoRA's: the length of each row of the adapted weight. */
  | 'lora_magnitude_vector';

export interface LoraTensorName {
  /** Path of the adapted module in the base, such as `model.layers.0.self_attn.q_proj`. */
  readonly module: string;
  readonly part: LoraPart;
}

const NAME =
  /^base_model\.model\.(.+?)\.(?:(lora_[AB])\.weight|(lora_embedding_[AB])|(lora_magnitude_vector)(?:\.weight)?)$/;
const UNSUPPORTED: readonly (readonly [RegExp, string])[] = [
  [/\.lora_[AB]\.bias$/, 'a bias of a LoRA matrix (lora_bias)'],
  [
    /\.lora_(embedding_)?[AB]\.[^.]+(\.weight)?$/,
    "a name that still holds the adapter's name; save with `save_pretrained`, which strips it",
  ],
  [/\.(modules_to_save|original_module)\b/, 'a full copy of a module (modules_to_save)'],
];

/** @returns undefined: it is no name of a LoRA tensor */
export function loraTensorName(name: string): LoraTensorName | undefined {
  const match = NAME.exec(name);
  return match ? { module: match[1]!, part: (match[2] ?? match[3] ?? match[4]) as LoraPart } : undefined;
}

/** @throws AdapterError tensor_name_invalid */
export function parseTensorName(name: string): LoraTensorName {
  const parsed = loraTensorName(name);
  if (parsed) return parsed;
  const what = UNSUPPORTED.find(([pattern]) => pattern.test(name))?.[1] ?? 'not a LoRA tensor';
  throw new AdapterError(
    'tensor_name_invalid',
    `${name} is ${what}. Expected base_model.model.<module>.lora_A.weight, .lora_B.weight, .lora_embedding_A, .lora_embedding_B or .lora_magnitude_vector.`,
    name,
  );
}
