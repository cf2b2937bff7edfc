/**
 * PEFT's adapter_config.json. PEFT itself warns about fields that it does not know and drops them; an adapter that relies
 * on one then computes something else without anybody noticing. So here a field is either understood, or at the value
 * that means nothing, or refused by name. Fields and defaults: LoraConfig of PEFT 0.21.
 */
import { z } from 'zod';
import { AdapterError, AdapterProblems } from './error.ts';

export interface PeftConfig {
  readonly rank: number;
  readonly alpha: number;
  readonly useRslora: boolean;
  /** Weight-decomposed (Liu et al. 2024): the rows of W + s B A get lengths of their own. */
  readonly useDora: boolean;
  /** Keys are regular expressions over module paths; see scale.ts. */
  readonly rankPattern: Readonly<Record<string, number>>;
  readonly alphaPattern: Readonly<Record<string, number>>;
  /** Recorded. True is for Conv1D bases such as GPT-2; for linear modules, all that our bases have, PEFT ignores it. */
  readonly fanInFanOut: boolean;
  /** As written; the tensors say what is adapted, and a regular expression is never run. */
  readonly targetModules: readonly string[] | string | null;
  /** Of which the file has full copies: refused where the file is looked at, which says what they weigh. */
  readonly modulesToSave: readonly string[];
  readonly dropout: number;
  readonly peftVersion: string | null;
}

export const MAX_RANK = 1024;
const MAX_PATTERNS = 4096;

const rank = z.int().min(1).max(MAX_RANK);
const alpha = z.number().positive().max(1e6);
const patterns = <T extends z.ZodType>(value: T) =>
  z
    .record(z.string().max(512), value)
    .refine((all) => Object.keys(all).length <= MAX_PATTERNS, `at most ${MAX_PATTERNS} keys`);

const Understood = z.object({
  peft_type: z.literal('LORA'),
  task_type: z.enum(['CAUSAL_LM']).nullish(),
  base_model_name_or_path: z.string().max(512).nullish(),
  r: rank.default(8),
  lora_alpha: alpha.default(8),
  lora_dropout: z.number().min(0).max(1).default(0),
  use_rslora: z.boolean().default(false),
  use_dora: z.boolean().default(false),
  rank_pattern: patterns(rank).nullish(),
  alpha_pattern: patterns(alpha).nullish(),
  target_modules: z.union([z.array(z.string().max(512)).max(MAX_PATTERNS), z.string().max(4096)]).nullish(),
  peft_version: z.string().max(64).nullish(),
  fan_in_fan_out: z.boolean().default(false),
  modules_to_save: z.array(z.string().max(512)).max(MAX_PATTERNS).nullish(),
});

/** Record something about how the adapter was made, and change nothing about what it computes. */
const INFORMATIVE = new Set([
  'inference_mode',
  'revision',
  'auto_mapping',
  'exclude_modules',
  'layers_to_transform',
  'layers_pattern',
  'megatron_core',
  'qalora_group_size',
  'runtime_config',
  'eva_config',
  'corda_config',
  'lora_ga_config',
  'loftq_config',
]);

/** Fields that mean something we do not do: the values at which they mean nothing, and what to do otherwise. */
const MUST_BE_OFF: Readonly<Record<string, string>> = {
  bias: 'Train with bias="none"; biases of the base cannot be replaced per request.',
  lora_bias: 'Train with lora_bias=False.',
  use_qalora: 'QALoRA needs a quantised base; train plain LoRA.',
  use_bdlora: 'Train plain LoRA.',
  trainable_token_indices: 'New token embeddings change the base; adapt embed_tokens with LoRA instead.',
  ensure_weight_tying: 'Adapt embed_tokens and lm_head each on its own.',
  target_parameters: 'Adapting bare parameters is not supported; adapt linear modules.',
  layer_replication: 'Layer replication changes the network: publish the merged model as a base.',
  megatron_config: 'Save with plain PEFT.',
  alora_invocation_tokens: 'Activated LoRA is not served; train plain LoRA.',
  arrow_config: 'Merge the experts into one adapter first (add_weighted_adapter).',
  kasa_config: 'Convert to plain LoRA first.',
  monteclora_config: 'Convert to plain LoRA first.',
  velora_config: 'Train without it.',
};

/** Initialisations that leave the base's weights as they are; what was learned on top is plain LoRA. */
const HARMLESS_INIT: readonly unknown[] = [true, false, null, 'gaussian', 'orthogonal', 'eva', 'mica'];

/** @throws AdapterProblems */
export function parsePeftConfig(value: unknown): PeftConfig {
  const { config, problems } = readPeftConfig(value);
  if (!config || problems.length > 0) throw new AdapterProblems(problems);
  return config;
}

/** Without these nobody can say what the tensors should be. */
const SHAPING = [
  'r',
  'lora_alpha',
  'use_rslora',
  'use_dora',
  'rank_pattern',
  'alpha_pattern',
  'modules_to_save',
];

/** @returns every problem, and what the tensors can be compared with in spite of them, unless that is what is wrong */
export function readPeftConfig(value: unknown): {
  readonly config: PeftConfig | undefined;
  readonly problems: readonly AdapterError[];
} {
  const refused = (...problems: AdapterError[]) => ({ config: undefined, problems });
  if (!isObject(value))
    return refused(new AdapterError('config_invalid', 'adapter_config.json must be a JSON object.'));
  const type = value['peft_type'];
  if (type !== 'LORA') {
    const detail = `peft_type is ${describe(type)}; only "LORA" is supported.`;
    return refused(new AdapterError('peft_type_unsupported', detail, 'peft_type')); // its fields mean other things
  }
  const problems = Object.entries(value).flatMap(([name, field]) => checkField(name, field) ?? []);
  const checked = Understood.safeParse(value);
  if (checked.success) return { config: asConfig(checked.data), problems };
  const { issues } = checked.error;
  problems.push(
    ...issues.map(({ path, message }) => {
      const field = path.join('.');
      return new AdapterError('config_invalid', `adapter_config.json: ${field}: ${message}.`, field);
    }),
  );
  const wrong = new Set(issues.map(({ path }) => String(path[0])));
  if (SHAPING.some((name) => wrong.has(name))) return refused(...problems);
  const others = Object.fromEntries(Object.entries(value).filter(([name]) => !wrong.has(name)));
  return { config: asConfig(Understood.parse(others)), problems };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function asConfig(config: z.infer<typeof Understood>): PeftConfig {
  return {
    rank: config.r,
    alpha: config.lora_alpha,
    useRslora: config.use_rslora,
    useDora: config.use_dora,
    rankPattern: config.rank_pattern ?? {},
    alphaPattern: config.alpha_pattern ?? {},
    fanInFanOut: config.fan_in_fan_out,
    targetModules: config.target_modules ?? null,
    modulesToSave: config.modules_to_save ?? [],
    dropout: config.lora_dropout,
    peftVersion: config.peft_version ?? null,
  };
}

/** The base that PEFT would load the adapter onto, as the configuration names it; undefined: it does not say. */
export function namedBase(config: unknown): string | undefined {
  const named = isObject(config) ? config['base_model_name_or_path'] : undefined;
  return typeof named === 'string' ? named : undefined;
}

/**
 * A copy that names the base as it is called here: where it was trained it had another name, or was a folder.
 * @returns undefined: it does so already, or names none
 */
export function renamingBase(config: unknown, base: string): Record<string, unknown> | undefined {
  const named = namedBase(config);
  if (!isObject(config) || named === undefined || named === base) return undefined;
  const revision = config['revision'] === undefined ? {} : { revision: null }; // was one of the other name
  return { ...config, base_model_name_or_path: base, ...revision };
}

function checkField(name: string, value: unknown): AdapterError | undefined {
  if (Object.hasOwn(Understood.shape, name) || INFORMATIVE.has(name)) return undefined;
  if (name === 'init_lora_weights') {
    if (HARMLESS_INIT.includes(value)) return undefined;
    return new AdapterError(
      'field_unsupported',
      `init_lora_weights is ${describe(value)}: it changes the base's weights, so the adapter is wrong on the stock base. Convert when saving: save_pretrained(path, path_initial_model_for_weight_conversion=...).`,
      name,
    );
  }
  if (isOff(name, value)) return undefined;
  const advice = Object.hasOwn(MUST_BE_OFF, name) ? MUST_BE_OFF[name] : undefined;
  if (advice) return new AdapterError('field_unsupported', `${name} is ${describe(value)}. ${advice}`, name);
  return new AdapterError(
    'field_unknown',
    `${name} is ${describe(value)}, a field that is not known here; ignoring it could change what the adapter computes.`,
    name,
  );
}

/** Null, false and nothing in it mean "not used", in the fields that we know and in those that are yet to come. */
function isOff(name: string, value: unknown): boolean {
  if (name === 'bias') return value === 'none';
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0;
  return value === null || value === undefined || value === false;
}

/** For a message: short, whatever a stranger wrote. */
function describe(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 80));
  return String(value);
}
