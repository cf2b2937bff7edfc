/**
 * A base model's config.json, reduced to the numbers and switches that decide what it computes. A field that would change
 * the computation in a way we do not do is refused by name, never skipped. Both spellings of rotary settings are read:
 * `rope_theta` with `rope_scaling` (transformers 4) and `rope_parameters` (transformers 5).
 */
import { z } from 'zod';
import { AdapterError } from './error.ts';

export type Architecture = 'llama' | 'mistral' | 'qwen2' | 'qwen3';

export type RopeScaling =
  | { readonly type: 'linear'; readonly factor: number }
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
      readonly originalContextLength: number;
    };

export interface BaseConfig {
  readonly architecture: Architecture;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly intermediateSize: number;
  readonly vocabSize: number;
  readonly contextLength: number;
  readonly rmsNormEps: number;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling | null;
  /** Tokens that a token sees, itself included; null: all before it. */
  readonly slidingWindow: number | null;
  readonly qkvBias: boolean;
  readonly outputBias: boolean;
  readonly mlpBias: boolean;
  readonly qkNorm: boolean;
  readonly tieEmbeddings: boolean;
  readonly bosTokenId: number | null;
  readonly eosTokenIds: readonly number[];
  readonly padTokenId: number | null;
}

export interface ModuleSize {
  readonly in: number;
  readonly out: number;
  readonly kind: 'linear' | 'embedding';
}

/** By PEFT module path, such as `model.layers.0.self_attn.q_proj`. */
export type ModuleTable = ReadonlyMap<string, ModuleSize>;

const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  LlamaForCausalLM: 'llama',
  MistralForCausalLM: 'mistral',
  Qwen2ForCausalLM: 'qwen2',
  Qwen3ForCausalLM: 'qwen3',
};

const size = z.int().min(1).max(1_000_000);
const RopeType = z.object({ rope_type: z.string().optional(), type: z.string().optional() });
const Linear = z.object({ factor: z.number().positive() });
const Llama3 = z.object({
  factor: z.number().positive(),
  low_freq_factor: z.number().positive(),
  high_freq_factor: z.number().positive(),
  original_max_position_embeddings: size,
});

const Config = z.object({
  architectures: z.array(z.string()).min(1),
  hidden_size: size.max(65_536),
  num_hidden_layers: size.max(512),
  num_attention_heads: size.max(1024),
  num_key_value_heads: size.max(1024).nullish(),
  head_dim: size.max(1024).nullish(),
  intermediate_size: size,
  vocab_size: size,
  max_position_embeddings: z.int().min(1).max(10_000_000),
  rms_norm_eps: z.number().positive().default(1e-6),
  rope_theta: z.number().positive().nullish(),
  rope_scaling: z.record(z.string(), z.unknown()).nullish(),
  rope_parameters: z.record(z.string(), z.unknown()).nullish(),
  sliding_window: size.nullish(),
  use_sliding_window: z.boolean().nullish(),
  max_window_layers: z.int().min(0).nullish(),
  layer_types: z.array(z.string()).nullish(),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  tie_word_embeddings: z.boolean().default(false),
  hidden_act: z.string().default('silu'),
  quantization_config: z.unknown().optional(),
  pretraining_tp: z.int().nullish(),
  partial_rotary_factor: z.number().nullish(),
  bos_token_id: z.int().nullish(),
  eos_token_id: z.union([z.int(), z.array(z.int())]).nullish(),
  pad_token_id: z.int().nullish(),
});
type Config = z.infer<typeof Config>;

function invalid(field: string, what: string): AdapterError {
  return new AdapterError('base_config_invalid', `config.json: ${field} ${what}.`, field);
}

/** @throws AdapterError */
export function parseBaseConfig(value: unknown): BaseConfig {
  const checked = Config.safeParse(value);
  if (!checked.success) {
    const issue = checked.error.issues[0]!;
    throw invalid(issue.path.join('.') || '(all)', `is not as it should be: ${issue.message}`);
  }
  const config = checked.data;
  const architecture = ARCHITECTURES[config.architectures[0]!];
  if (!architecture) {
    throw new AdapterError(
      'architecture_unsupported',
      `config.json: the architecture ${config.architectures[0]} is not supported; supported are ${Object.keys(ARCHITECTURES).join(', ')}.`,
      'architectures',
    );
  }
  refuseOther(config);
  const heads = config.num_attention_heads;
  const kvHeads = config.num_key_value_heads ?? heads;
  if (heads % kvHeads !== 0)
    throw invalid('num_key_value_heads', `is ${kvHeads}, which does not divide the ${heads} attention heads`);
  const headDim = config.head_dim ?? config.hidden_size / heads;
  if (!Number.isInteger(headDim) || headDim % 2 !== 0)
    throw invalid('head_dim', `is ${headDim}; rotary embedding needs an even whole number`);
  const eos = config.eos_token_id ?? [];
  return {
    architecture,
    hiddenSize: config.hidden_size,
    layers: config.num_hidden_layers,
    heads,
    kvHeads,
    headDim,
    intermediateSize: config.intermediate_size,
    vocabSize: config.vocab_size,
    contextLength: config.max_position_embeddings,
    rmsNormEps: config.rms_norm_eps,
    ...rotary(config),
    slidingWindow: slidingWindow(architecture, config),
    qkvBias: architecture === 'qwen2' || (config.attention_bias ?? false),
    outputBias: architecture !== 'qwen2' && (config.attention_bias ?? false),
    mlpBias: config.mlp_bias ?? false,
    qkNorm: architecture === 'qwen3',
    tieEmbeddings: config.tie_word_embeddings,
    bosTokenId: config.bos_token_id ?? null,
    eosTokenIds: typeof eos === 'number' ? [eos] : eos,
    padTokenId: config.pad_token_id ?? null,
  };
}

function refuseOther(config: Config): void {
  if (config.hidden_act !== 'silu')
    throw invalid('hidden_act', `is ${config.hidden_act}; only silu is supported`);
  if (config.quantization_config != null)
    throw invalid('quantization_config', 'is there; export the checkpoint in F32, F16 or BF16');
  if ((config.pretraining_tp ?? 1) !== 1) throw invalid('pretraining_tp', 'must be 1');
  if ((config.partial_rotary_factor ?? 1) !== 1) throw invalid('partial_rotary_factor', 'must be 1');
}

function rotary(config: Config): Pick<BaseConfig, 'ropeTheta' | 'ropeScaling'> {
  const parameters = config.rope_parameters ?? config.rope_scaling;
  const named = RopeType.parse(parameters ?? {});
  const type = named.rope_type ?? named.type ?? 'default';
  const theta = z
    .number()
    .positive()
    .nullish()
    .safeParse(config.rope_parameters?.['rope_theta'] ?? config.rope_theta);
  if (!theta.success) throw invalid('rope_theta', 'must be a positive number');
  return { ropeTheta: theta.data ?? 10_000, ropeScaling: scaling(type, parameters ?? {}) };
}

function scaling(type: string, parameters: Record<string, unknown>): RopeScaling | null {
  if (type === 'default') return null;
  if (type === 'linear') {
    const checked = Linear.safeParse(parameters);
    if (!checked.success) throw invalid('rope_scaling.factor', 'must be a positive number');
    return { type, factor: checked.data.factor };
  }
  if (type === 'llama3') {
    const checked = Llama3.safeParse(parameters);
    if (!checked.success) {
      throw invalid(
        'rope_scaling',
        'of type llama3 needs factor, low_freq_factor, high_freq_factor and original_max_position_embeddings',
      );
    }
    const { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } = checked.data;
    return {
      type,
      factor,
      lowFreqFactor: low_freq_factor,
      highFreqFactor: high_freq_factor,
      originalContextLength: original_max_position_embeddings,
    };
  }
  throw invalid(
    'rope_scaling',
    `has the type ${JSON.stringify(type)}; default, linear and llama3 are supported`,
  );
}

/** Mistral always has its window; Qwen only where it says so; the Llama classes ignore the field. */
function slidingWindow(architecture: Architecture, config: Config): number | null {
  if (architecture === 'llama') return null;
  const used = architecture === 'mistral' || config.use_sliding_window === true;
  if (!used || config.sliding_window == null) return null;
  const sliding = config.layer_types?.map((type) => type === 'sliding_attention');
  const full = architecture === 'mistral' ? 0 : (config.max_window_layers ?? 0);
  const mixed = sliding
    ? sliding.some((layer) => layer !== sliding[0])
    : full > 0 && full < config.num_hidden_layers;
  if (mixed) throw invalid('layer_types', 'mixes sliding and full attention, which is not supported');
  const all = sliding ? sliding[0] : full === 0;
  return all ? config.sliding_window : null;
}

/** Every module that an adapter may change. */
export function moduleTable(config: BaseConfig): ModuleTable {
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim, vocabSize } = config;
  const table = new Map<string, ModuleSize>();
  const linear = (path: string, inputs: number, outputs: number) =>
    table.set(path, { in: inputs, out: outputs, kind: 'linear' });
  table.set('model.embed_tokens', { in: vocabSize, out: hiddenSize, kind: 'embedding' });
  for (let layer = 0; layer < config.layers; layer++) {
    const at = `model.layers.${layer}`;
    linear(`${at}.self_attn.q_proj`, hiddenSize, heads * headDim);
    linear(`${at}.self_attn.k_proj`, hiddenSize, kvHeads * headDim);
    linear(`${at}.self_attn.v_proj`, hiddenSize, kvHeads * headDim);
    linear(`${at}.self_attn.o_proj`, heads * headDim, hiddenSize);
    linear(`${at}.mlp.gate_proj`, hiddenSize, intermediateSize);
    linear(`${at}.mlp.up_proj`, hiddenSize, intermediateSize);
    linear(`${at}.mlp.down_proj`, intermediateSize, hiddenSize);
  }
  linear('lm_head', hiddenSize, vocabSize);
  return table;
}

/** Name and shape of every tensor that a checkpoint of this configuration holds. */
export function baseTensors(config: BaseConfig): ReadonlyMap<string, readonly number[]> {
  const tensors = new Map<string, readonly number[]>();
  for (const [path, { in: inputs, out: outputs, kind }] of moduleTable(config)) {
    if (path === 'lm_head' && config.tieEmbeddings) continue;
    tensors.set(`${path}.weight`, kind === 'embedding' ? [inputs, outputs] : [outputs, inputs]);
    if (hasBias(path, config)) tensors.set(`${path}.bias`, [outputs]);
  }
  for (let layer = 0; layer < config.layers; layer++) {
    const at = `model.layers.${layer}`;
    tensors.set(`${at}.input_layernorm.weight`, [config.hiddenSize]);
    tensors.set(`${at}.post_attention_layernorm.weight`, [config.hiddenSize]);
    if (config.qkNorm) {
      tensors.set(`${at}.self_attn.q_norm.weight`, [config.headDim]);
      tensors.set(`${at}.self_attn.k_norm.weight`, [config.headDim]);
    }
  }
  tensors.set('model.norm.weight', [config.hiddenSize]);
  return tensors;
}

function hasBias(path: string, config: BaseConfig): boolean {
  if (path.endsWith('o_proj')) return config.outputBias;
  if (path.includes('self_attn')) return config.qkvBias;
  return path.includes('.mlp.') && config.mlpBias;
}
