/** What a finished job gives to the catalog: PEFT's two files, a card, and the receipt. */
import type { DeclaredResult, Training } from '../../functions/train.ts';
import { chosenProvider } from '../provider.ts';
import { ORT_VERSION } from '../session.ts';
import { cardOf } from './card.ts';
import type { Files, JobFacts } from './leased-job.ts';
import type { PreparedJob } from './prepare.ts';

/** Of what decides the bits of a trained adapter. Goes up with every change of the graph, the optimiser or the data's order. */
const ENGINE_VERSION = 1;

export interface EngineFacts {
  readonly threads: number;
  /** Tokens of a pass. */
  readonly maxTokens: number;
}

/** @param isResult of the whole job, for which there is a receipt; else of a checkpoint */
export function adapterFiles(
  training: Training,
  { plan, report }: PreparedJob,
  weights: Uint8Array<ArrayBuffer>,
  facts: JobFacts,
  isResult: boolean,
): Files {
  const text = (content: string) => new TextEncoder().encode(content);
  const card = cardOf({
    baseId: training.base.id,
    examples: report.examples,
    config: plan.config,
    continues: training.parent !== undefined,
    isResult,
    ...facts,
  });
  return new Map([
    ['adapter_config.json', text(`${JSON.stringify(plan.config, null, 2)}\n`)],
    ['adapter_model.safetensors', weights],
    ['README.md', text(card)],
  ]);
}

/** What else the bytes depend on: this process. */
export const engineOf = ({ threads, maxTokens }: EngineFacts) => ({
  version: ENGINE_VERSION,
  onnxruntime: ORT_VERSION,
  provider: chosenProvider(),
  threads,
  maxTokens,
});

/** Enough to train the same adapter again, to the byte, on a machine of the same kind. */
export function receiptOf(
  training: Training,
  { decided, plan, memory, template, maxLength, report }: PreparedJob,
  facts: JobFacts,
  settings: EngineFacts,
): DeclaredResult['receipt'] {
  const file = ({ path, sha256 }: Training['trainingFile']) => ({
    id: path.replace(/\.jsonl$/, ''),
    sha256,
  });
  const { epochs, batchSize, learningRate, multiplier } = decided;
  return {
    base: { id: training.base.id, digest: training.base.digest },
    ...(training.parent ? { parent: { digest: training.parent.digest } } : {}),
    training_file: file(training.trainingFile),
    ...(training.validationFile ? { validation_file: file(training.validationFile) } : {}),
    template,
    hyperparameters: training.hyperparameters,
    decided: {
      n_epochs: epochs,
      batch_size: batchSize,
      learning_rate_multiplier: multiplier,
      learning_rate: learningRate,
      max_length: maxLength,
      gradient_checkpointing: memory.gradientCheckpointing,
      ...(memory.packedWeights ? { packed_weights: true } : {}),
      ...plan.settings,
    },
    seed: training.seed,
    engine: engineOf(settings),
    examples: report.examples,
    ...facts,
  };
}
