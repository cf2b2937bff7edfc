/**
 * A base model's config.json, reduced to the numbers and switches that decide what it computes. A field that would change
 * the computation in a way we do not do is refused by name, never skipped.
 */
import { z } from 'zod';
import { AdapterError, invalidBaseConfig as invalid } from './error.ts';
import { type RopeScaling, RotaryFields, rotary } from './rotary-config.ts';

export type Architecture = 'llama' | 'mistral' | 'qwen2' | 'qwen3';

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
const Config = z.object({
  architectures: z.array(z.string()).length(1),
  model_type: z.string().optional(),
  auto_map: z.unknown().optional(),
  hidden_size: size.max(65_536),
  num_hidden_layers: size.max(512),
  num_attention_heads: size.max(1024),
  num_key_value_heads: size.max(1024).nullish(),
  head_dim: size.max(1024).nullish(),
  intermediate_size: size,
  vocab_size: size,
  max_position_embeddings: z.int().min(1).max(10_000_000),
  rms_norm_eps: z.number().positive().default(1e-6),
  ...RotaryFields.shape,
  sliding_window: z.int().min(1).nullish(),
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

/** @throws AdapterError */
export function parseBaseConfig(value: unknown): BaseConfig {
  const checked = Config.safeParse(value);
  if (!checked.success) {
    const issue = checked.error.issues[0]!;
    throw invalid(issue.path.join('.') || '(all)', `is not as it should be: ${issue.message}`);
  }
  const config = checked.data;
  const architecture = architectureOf(config);
  refuseOther(architecture, config);
  const eos = config.eos_token_id ?? [];
  return {
    architecture,
    hiddenSize: config.hidden_size,
    layers: config.num_hidden_layers,
    ...attentionHeads(architecture, config),
    intermediateSize: config.intermediate_size,
    vocabSize: config.vocab_size,
    contextLength: config.max_position_embeddings,
    rmsNormEps: config.rms_norm_eps,
    ...rotary(config),
    slidingWindow: slidingWindow(architecture, config),
    qkvBias: architecture === 'qwen2' || hasAttentionBias(architecture, config),
    outputBias: hasAttentionBias(architecture, config),
    mlpBias: architecture === 'llama' && (config.mlp_bias ?? false),
    qkNorm: architecture === 'qwen3',
    tieEmbeddings: config.tie_word_embeddings,
    bosTokenId: config.bos_token_id ?? null,
    eosTokenIds: typeof eos === 'number' ? [eos] : eos,
    padTokenId: config.pad_token_id ?? null,
  };
}

function architectureOf(config: Config): Architecture {
  const name = config.architectures[0]!;
  const architecture = Object.hasOwn(ARCHITECTURES, name) ? ARCHITECTURES[name] : undefined;
  if (!architecture) {
    throw new AdapterError(
      'architecture_unsupported',
      `config.json: architectures has ${JSON.stringify(name.slice(0, 80))}, which is not supported; supported are ${Object.keys(ARCHITECTURES).join(', ')}.`,
      'architectures',
    );
  }
  // transformers picks its class by model_type; where the two disagree, nobody can say which one was trained.
  const type = config.model_type ?? architecture;
  if (type !== architecture)
    throw invalid(
      'model_type',
      `is ${JSON.stringify(type.slice(0, 80))}; ${name} should have "${architecture}"`,
    );
  return architecture;
}

function attentionHeads(
  architecture: Architecture,
  config: Config,
): Pick<BaseConfig, 'heads' | 'kvHeads' | 'headDim'> {
  const heads = config.num_attention_heads;
  const kvHeads = config.num_key_value_heads ?? heads;
  if (heads % kvHeads !== 0)
    throw invalid('num_key_value_heads', `is ${kvHeads}, which does not divide the ${heads} attention heads`);
  // Qwen3's heads are 128 wide unless it says otherwise, whatever its hidden size.
  const headDim = config.head_dim ?? (architecture === 'qwen3' ? 128 : config.hidden_size / heads);
  if (!Number.isInteger(headDim) || headDim % 2 !== 0)
    throw invalid('head_dim', `is ${headDim}; rotary embedding needs an even whole number`);
  return { heads, kvHeads, headDim };
}

/** Llama and Qwen3 read the switch; Mistral has no biases, and Qwen2 has exactly those of q, k and v. */
function hasAttentionBias(architecture: Architecture, config: Config): boolean {
  return (architecture === 'llama' || architecture === 'qwen3') && (config.attention_bias ?? false);
}

function refuseOther(architecture: Architecture, config: Config): void {
  if (config.hidden_act !== 'silu')
    throw invalid(
      'hidden_act',
      `is ${JSON.stringify(config.hidden_act.slice(0, 80))}; only silu is supported`,
    );
  if (config.quantization_config != null)
    throw invalid('quantization_config', 'is there; export the checkpoint in F32, F16 or BF16');
  if (config.auto_map != null)
    throw invalid('auto_map', 'is there: the model needs code of its own, which is not run');
  if ((config.pretraining_tp ?? 1) !== 1) throw invalid('pretraining_tp', 'must be 1');
  if ((config.partial_rotary_factor ?? 1) !== 1) throw invalid('partial_rotary_factor', 'must be 1');
  if (architecture === 'mistral' && config.attention_bias === true)
    throw invalid('attention_bias', 'is true; Mistral models have no biases');
  if (architecture !== 'llama' && config.mlp_bias === true)
    throw invalid('mlp_bias', `is true; ${architecture} models have none`);
}

/** The defaults of transformers' classes, for configurations that leave these fields out. */
const DEFAULT_WINDOW = 4096;
const DEFAULT_MAX_WINDOW_LAYERS = 28;

/** Mistral has a window unless it is null; Qwen only where it says so; Llama has none, whatever the field says. */
function slidingWindow(architecture: Architecture, config: Config): number | null {
  const window = config.sliding_window === undefined ? DEFAULT_WINDOW : config.sliding_window;
  if (architecture === 'llama' || window === null) return null;
  if (architecture === 'mistral') {
    if (config.layer_types?.some((type) => type !== 'sliding_attention'))
      throw invalid('layer_types', 'must all be sliding_attention, because sliding_window is set');
    return window;
  }
  if (config.use_sliding_window === true) return slidingLayers(config) ? window : null;
  if (config.layer_types?.some((type) => type !== 'full_attention'))
    throw invalid('layer_types', 'must all be full_attention, because use_sliding_window is not true');
  return null;
}

/** Whether all layers of a Qwen slide, or none. */
function slidingLayers(config: Config): boolean {
  const layers = config.num_hidden_layers;
  const firstSliding = config.max_window_layers ?? DEFAULT_MAX_WINDOW_LAYERS;
  const types =
    config.layer_types ??
    Array.from({ length: layers }, (_, i) => (i >= firstSliding ? 'sliding_attention' : 'full_attention'));
  if (types.length !== layers)
    throw invalid('layer_types', `names ${types.length} layers; num_hidden_layers is ${layers}`);
  const unknown = types.find((type) => type !== 'sliding_attention' && type !== 'full_attention');
  if (unknown !== undefined)
    throw invalid('layer_types', `has ${JSON.stringify(unknown.slice(0, 80))}, which is not supported`);
  if (types.some((type) => type !== types[0])) {
    const field = config.layer_types ? 'layer_types' : 'max_window_layers';
    throw invalid(field, 'mixes sliding and full attention among the layers, which is not supported');
  }
  return types[0] === 'sliding_attention';
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
