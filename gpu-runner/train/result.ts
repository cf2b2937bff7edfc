/** What a finished job gives to the catalog: PEFT's two files, a card, and the receipt. */
import type { DeclaredResult, Training } from '../../functions/train.ts';
import { cardOf } from './card.ts';
import type { Files, JobFacts } from './leased-job.ts';
import type { PreparedJob } from './prepare.ts';

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

/** Enough to train the same adapter again, to the byte, on a machine of the same kind. */
export function receiptOf(
  training: Training,
  { decided, plan, memory, template, maxLength, report }: PreparedJob,
  facts: JobFacts,
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
      ...plan.settings,
    },
    seed: training.seed,
    examples: report.examples,
    ...facts,
  };
}
