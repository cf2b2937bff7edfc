/**
 * Where an adapter runs besides here: what servers of other people take, and what they would silently get wrong. Their
 * limits change, so they are data, each with where and when it was read.
 */
import type { PeftConfig } from './peft-config.ts';

/** What a server can do with an adapter. What is not named, it can. */
interface Limits {
  readonly platform: string;
  readonly source: string;
  readonly asOf: string;
  readonly ranks?: { readonly min?: number; readonly max: number };
  /** Ranks beyond this need a setting. */
  readonly rankSetting?: { readonly beyond: number; readonly setting: string };
  readonly maxBytes?: number;
  /** Features that it refuses, or leaves out so that another model answers. */
  readonly without: readonly Feature[];
  /** Modules it can adapt, by the last part of their path. */
  readonly modules?: readonly string[];
  /** It serves these bases alone. */
  readonly bases?: readonly string[];
  /** What holds for every adapter. */
  readonly needs?: string;
}

const FEATURES = {
  dora: 'DoRA: its magnitudes',
  rsLora: 'use_rslora: the scale would be another',
  rankPattern: 'rank_pattern: the scale of those modules would be another',
  alphaPattern: 'alpha_pattern: the scale of those modules would be another',
  embedding: 'an adapted token embedding',
  head: 'an adapted lm_head',
} as const;
type Feature = keyof typeof FEATURES;

const LINEARS = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'];

const PLATFORMS: readonly Limits[] = [
  {
    platform: 'Patchbay',
    source: 'the smoke run of the publish gate',
    asOf: '2026-11-24',
    without: [],
  },
  {
    platform: 'PEFT',
    source: 'github.com/huggingface/peft, 0.21: our answers are compared with its own',
    asOf: '2026-11-24',
    without: [],
  },
  {
    platform: 'vLLM',
    source: 'github.com/vllm-project/vllm, vllm/lora/peft_helper.py',
    asOf: '2026-11-24',
    ranks: { max: 512 },
    rankSetting: { beyond: 16, setting: '--max-lora-rank' },
    without: ['dora', 'rankPattern', 'alphaPattern', 'embedding', 'head'],
  },
  {
    platform: 'LoRAX',
    source: 'github.com/predibase/lorax, server/lorax_server/adapters/lora.py',
    asOf: '2026-11-24',
    without: ['dora', 'rankPattern', 'alphaPattern', 'embedding'],
  },
  {
    platform: 'TGI',
    source:
      'github.com/huggingface/text-generation-inference, server/text_generation_server/adapters/lora.py',
    asOf: '2026-11-24',
    without: ['dora', 'rankPattern', 'alphaPattern', 'embedding', 'head'],
  },
  {
    platform: 'Ollama',
    source:
      'github.com/ggml-org/llama.cpp, convert_lora_to_gguf.py, and github.com/ollama/ollama, docs/modelfile.mdx',
    asOf: '2026-11-24',
    without: ['dora', 'rsLora', 'alphaPattern', 'embedding'],
    needs: 'convert it with convert_lora_to_gguf.py, and the base to GGUF',
  },
  {
    platform: 'Workers AI',
    source: 'developers.cloudflare.com/workers-ai/features/fine-tunes/loras',
    asOf: '2026-11-24',
    ranks: { max: 32 },
    maxBytes: 500e6,
    without: ['dora', 'rsLora', 'rankPattern', 'alphaPattern', 'embedding', 'head'],
    bases: [
      'meta-llama/llama-3.2-11b-vision-instruct',
      'meta-llama/llama-3.3-70b-instruct',
      'meta-llama/llama-guard-3-8b',
      'deepseek-ai/deepseek-r1-distill-qwen-32b',
      'qwen/qwen2.5-coder-32b-instruct',
      'qwen/qwq-32b',
      'mistralai/mistral-small-3.1-24b-instruct-2503',
      'google/gemma-3-12b-it',
    ],
    needs: 'add model_type (llama, mistral or gemma) to adapter_config.json',
  },
  {
    platform: 'Fireworks',
    source: 'docs.fireworks.ai/fine-tuning/fine-tuned-import',
    asOf: '2026-11-24',
    ranks: { min: 4, max: 64 },
    without: ['dora', 'rsLora', 'rankPattern', 'alphaPattern', 'embedding', 'head'],
    modules: LINEARS,
    needs: 'the base must be there too, on a deployment of your own',
  },
];

export interface RunsOn {
  readonly platform: string;
  /** `with changes`: once what `reasons` say is done. */
  readonly runs: 'yes' | 'with changes' | 'no';
  readonly reasons: readonly string[];
  readonly source: string;
  readonly asOf: string;
}

export interface AdapterFacts {
  readonly base: string;
  /** The largest. */
  readonly rank: number;
  readonly bytes: number;
  readonly targetModules: readonly string[];
}

export function compatibility(config: PeftConfig, facts: AdapterFacts): RunsOn[] {
  const used = featuresOf(config, facts);
  return PLATFORMS.map((limits) => {
    const { platform, source, asOf } = limits;
    const obstacles = obstaclesOf(limits, used, facts);
    const changes = changesOf(limits, facts);
    const runs = obstacles.length > 0 ? 'no' : changes.length > 0 ? 'with changes' : 'yes';
    return { platform, runs, reasons: obstacles.length > 0 ? obstacles : changes, source, asOf };
  });
}

function featuresOf(config: PeftConfig, { targetModules }: AdapterFacts): Feature[] {
  const uses: Record<Feature, boolean> = {
    dora: config.useDora,
    rsLora: config.useRslora,
    rankPattern: Object.keys(config.rankPattern).length > 0,
    alphaPattern: Object.keys(config.alphaPattern).length > 0,
    embedding: targetModules.includes('embed_tokens'),
    head: targetModules.includes('lm_head'),
  };
  return (Object.keys(uses) as Feature[]).filter((feature) => uses[feature]);
}

function obstaclesOf(
  { ranks, maxBytes, without, modules, bases }: Limits,
  used: Feature[],
  facts: AdapterFacts,
) {
  const { base, rank, bytes, targetModules } = facts;
  const foreign = modules ? targetModules.filter((name) => !modules.includes(name)) : [];
  return [
    ...used
      .filter((feature) => without.includes(feature))
      .map((feature) => `does not take ${FEATURES[feature]}`),
    ranks && rank > ranks.max ? `takes ranks up to ${ranks.max}; this one has ${rank}` : '',
    ranks?.min && rank < ranks.min ? `takes ranks from ${ranks.min}; this one has ${rank}` : '',
    maxBytes && bytes > maxBytes
      ? `takes ${maxBytes / 1e6} MB at most; this one has ${Math.ceil(bytes / 1e6)}`
      : '',
    foreign.length > 0 ? `does not adapt ${foreign.join(', ')}` : '',
    bases && !bases.includes(base.toLowerCase()) ? `does not serve ${base}` : '',
  ].filter((reason) => reason !== '');
}

function changesOf({ rankSetting, needs }: Limits, { rank }: AdapterFacts): string[] {
  return [
    rankSetting && rank > rankSetting.beyond
      ? `start it with ${rankSetting.setting} of at least ${rank}`
      : '',
    needs ?? '',
  ].filter((reason) => reason !== '');
}
