/** What a job will do, decided before its first step from what was asked for and from what the data turned out to be. */
import type { BaseConfig } from '../../adapter/base-config.ts';
import { parsePeftConfig } from '../../adapter/peft-config.ts';
import { keysWithoutMatch } from '../../adapter/scale.ts';
import { automaticBatchSize, automaticEpochs, stepsPerEpoch } from '../../adapter/training-steps.ts';
import type { Hyperparameters } from '../../functions/train.ts';
import type { LoadedModule } from '../model/adapter-file.ts';
import type { JobSettings } from './job.ts';
import { adapterConfig, initialModules, targetModules } from './lora.ts';
import { JobRefusal } from './refusal.ts';
import type { LoraMatrices } from './training-session.ts';

const RANK = 16;
/** Twice the rank: the updates' size in Biderman et al. 2024, and a scale of 2 whatever the rank. */
const ALPHA_PER_RANK = 2;
/** With rsLoRA it is the same for all ranks: the scale falls with the rank's square root, which is its point. */
const ALPHA_RS_LORA = 32;
const WARMUP_RATIO = 0.05;
const WEIGHT_DECAY = 0.01;
const MAX_GRAD_NORM = 1;
/** A job is looked at, and kept, this often at least. */
const EVALUATIONS = 10;
const CHECKPOINTS = 5;

export interface JobPlan {
  readonly config: Readonly<Record<string, unknown>>;
  readonly dora: boolean;
  readonly modules: readonly string[];
  /** Without the magnitudes of a new DoRA adapter, which are the base's. */
  readonly initial: ReadonlyMap<string, LoraMatrices>;
  readonly settings: JobSettings;
  readonly steps: number;
  readonly evaluateEvery: number;
  readonly saveEvery: number;
  readonly patience: number | undefined;
}

/** The three that OpenAI's API decides too. */
export interface Decided {
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  /** As asked, or 1. */
  readonly multiplier: number;
  /** Why each that was `auto` is what it is, a sentence each. */
  readonly reasons: readonly string[];
}

/** @param examples that are learnt from */
export function decide(base: BaseConfig, asked: Hyperparameters, examples: number): Decided {
  const reasons: string[] = [];
  const given = <T>(value: T | 'auto' | undefined, automatic: () => [T, string]): T => {
    if (value !== undefined && value !== 'auto') return value;
    const [decided, reason] = automatic();
    reasons.push(reason);
    return decided;
  };
  const batchSize = given(asked.batch_size, () => chosenBatchSize(examples));
  const epochs = given(asked.n_epochs, () => chosenEpochs(examples, batchSize));
  const rate = given(asked.learning_rate, () => automaticRate(base));
  const multiplier = given(asked.learning_rate_multiplier, () => [1, 'learning_rate_multiplier is 1.']);
  return { epochs, batchSize, learningRate: rate * multiplier, multiplier, reasons };
}

function chosenBatchSize(examples: number): [number, string] {
  const size = automaticBatchSize(examples);
  return [
    size,
    `batch_size is ${size}: adapters learn best from small batches, and there are ${examples} examples.`,
  ];
}

function chosenEpochs(examples: number, batchSize: number): [number, string] {
  const epochs = automaticEpochs(examples, batchSize);
  const perEpoch = stepsPerEpoch(examples, batchSize);
  return [epochs, `n_epochs is ${epochs}: ${perEpoch} steps each, about ${epochs * perEpoch} in all.`];
}

/** Ten times the rate of full fine-tuning, falling with the width of the model (fitted by Schulman et al. 2025). */
function automaticRate({ hiddenSize, architecture }: BaseConfig): [number, string] {
  const power = architecture.startsWith('qwen') ? 0.0775 : 0.781;
  const fitted = 5e-5 * 10 * (2000 / hiddenSize) ** power;
  const rate = Number(Math.min(3e-3, fitted).toPrecision(2));
  return [
    rate,
    `learning_rate is ${rate}: ten times that of full fine-tuning for a hidden size of ${hiddenSize}.`,
  ];
}

/** The adapter that a job goes on from. */
export interface Parent {
  /** Its adapter_config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly modules: readonly LoadedModule[];
}

/** What a parent has decided already. */
const OF_THE_PARENT = [
  'r',
  'lora_alpha',
  'target_modules',
  'rank_pattern',
  'alpha_pattern',
  'use_rslora',
  'use_dora',
] as const satisfies (keyof Hyperparameters)[];

/** @param steps of all epochs. @throws TargetError, AdapterError, JobRefusal */
export function planJob(
  base: BaseConfig,
  baseId: string,
  asked: Hyperparameters,
  decided: Decided,
  { steps, seed, parent }: { steps: number; seed: number; parent?: Parent | undefined },
): JobPlan {
  const evaluateEvery = asked.eval_steps ?? Math.max(1, Math.ceil(steps / EVALUATIONS));
  return {
    ...(parent ? continued(base, parent, asked) : begun(base, baseId, asked, seed)),
    settings: {
      optimizer: {
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weightDecay: asked.weight_decay ?? WEIGHT_DECAY,
      },
      schedule: {
        kind: asked.lr_scheduler_type ?? 'linear',
        peak: decided.learningRate,
        warmupSteps: Math.round((asked.warmup_ratio ?? WARMUP_RATIO) * steps),
        steps,
      },
      maxGradNorm: asked.max_grad_norm ?? MAX_GRAD_NORM,
      loraPlusRatio: asked.loraplus_lr_ratio ?? 1,
    },
    steps,
    evaluateEvery,
    saveEvery: asked.save_steps ?? roundUp(Math.ceil(steps / CHECKPOINTS), evaluateEvery),
    patience: asked.early_stopping_patience,
  };
}

type Adapter = Pick<JobPlan, 'config' | 'dora' | 'modules' | 'initial'>;

function begun(base: BaseConfig, baseId: string, asked: Hyperparameters, seed: number): Adapter {
  const modules = targetModules(base, asked.target_modules ?? ['all-linear']);
  const rank = numberOr(asked.r, RANK);
  const dora = asked.use_dora ?? false;
  const edge = modules.find((path) => !path.startsWith('model.layers.'));
  if (dora && edge)
    throw new JobRefusal(
      'invalid_hyperparameters',
      'hyperparameters.use_dora',
      `use_dora: DoRA is for the linears of the layers, not for ${edge}.`,
    );
  const rsLora = asked.use_rslora ?? false;
  const rankPattern = asked.rank_pattern ?? {};
  const alphaPattern = asked.alpha_pattern ?? {};
  for (const [field, patterns] of Object.entries({
    rank_pattern: rankPattern,
    alpha_pattern: alphaPattern,
  })) {
    const idle = keysWithoutMatch(field, patterns, modules);
    if (idle.length === 0) continue;
    throw new JobRefusal(
      'invalid_hyperparameters',
      `hyperparameters.${field}`,
      `${field}: ${idle.join(', ')} would change nothing; the modules that are trained are called like ${modules[0]}.`,
    );
  }
  const config = adapterConfig(base, baseId, modules, {
    rank,
    alpha: numberOr(asked.lora_alpha, rsLora ? ALPHA_RS_LORA : ALPHA_PER_RANK * rank),
    rankPattern,
    alphaPattern,
    rsLora,
    dora,
  });
  return { config, dora, modules, initial: initialModules(base, parsePeftConfig(config), modules, seed) };
}

function continued(base: BaseConfig, { config, modules }: Parent, asked: Hyperparameters): Adapter {
  const given = OF_THE_PARENT.find((name) => asked[name] !== undefined && asked[name] !== 'auto');
  if (given)
    throw new JobRefusal(
      'invalid_hyperparameters',
      `hyperparameters.${given}`,
      `${given}: the adapter that training continues from has decided it; leave it out.`,
    );
  const initial = new Map(modules.map(({ module, ...matrices }) => [module, matrices]));
  const paths = targetModules(base, ['all-linear', 'embed_tokens', 'lm_head']).filter((path) =>
    initial.has(path),
  );
  const { useDora: dora } = parsePeftConfig(config);
  return { config, dora, modules: paths, initial: new Map(paths.map((path) => [path, initial.get(path)!])) };
}

const roundUp = (number: number, multiple: number) => Math.max(1, Math.ceil(number / multiple)) * multiple;

function numberOr(value: number | 'auto' | undefined, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise;
}
