/** How many steps a training job takes where its owner leaves it open: told before it starts, and decided when it has read its rows. */

/** Steps that teach a format or a style: more rounds over few examples, one over many. */
const AIM = 400;
const MAX_EPOCHS = 10;
/** Adapters pay for large batches (Schulman et al. 2025): small ones, unless there is a lot of data. */
const MAX_BATCH = 16;
const EXAMPLES_FOR_ONE = 125;

export function automaticBatchSize(examples: number): number {
  const size = 2 ** Math.round(Math.log2(Math.max(1, examples / EXAMPLES_FOR_ONE)));
  return Math.max(1, Math.min(MAX_BATCH, size));
}

export const stepsPerEpoch = (examples: number, batchSize: number): number => Math.ceil(examples / batchSize);

export function automaticEpochs(examples: number, batchSize: number): number {
  const epochs = Math.round(AIM / stepsPerEpoch(examples, batchSize));
  return Math.max(1, Math.min(MAX_EPOCHS, epochs));
}
