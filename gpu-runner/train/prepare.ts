/** From a lease to a job that can run: its files are fetched and read, and everything that was left open is decided. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { BaseConfig } from '../../adapter/base-config.ts';
import { AdapterError, AdapterProblems } from '../../adapter/error.ts';
import type { FileSource } from '../../functions/generate.ts';
import type { Hyperparameters, TrainEvent, Training } from '../../functions/train.ts';
import type { Downloads } from '../downloads.ts';
import { readAdapterFile, WEIGHTS_FILE } from '../model/adapter-file.ts';
import { type Checkpoint, CheckpointError, openCheckpoint } from '../model/checkpoint.ts';
import { Batches, layOut, split } from './data/batches.ts';
import type { Dataset, DatasetReport } from './data/dataset.ts';
import { DatasetError, readInThread } from './data/dataset-reader.ts';
import type { ReadFile } from './data/dataset-worker.ts';
import { refusalOf, reportLines } from './data/report.ts';
import { type Conditions, type EngineFacts, engineOf } from './engine-facts.ts';
import type { JobData } from './leased-job.ts';
import { TargetError, withMagnitudes } from './lora.ts';
import { adapterBytes, passBytes, servingBytes } from './memory.ts';
import { type Decided, decide, type JobPlan, type Parent, planJob } from './plan.ts';
import { JobRefusal, OutOfMemory } from './refusal.ts';

/** Where max_length is not given: conversations are shorter, and the memory of attention grows with its square. */
const AUTOMATIC_LENGTH = 2048;
/** Of what a pass costs that learns. */
const FORWARD_SHARE = 0.4;
/** How often a long file tells how far it was read. */
const TELL_EVERY_MS = 5_000;

export interface PreparedJob {
  readonly checkpoint: Checkpoint;
  readonly decided: Decided;
  readonly plan: JobPlan;
  readonly data: JobData;
  readonly report: DatasetReport;
  /** sha256 of the chat template. */
  readonly template: string | null;
  readonly maxLength: number;
  readonly memory: MemoryPlan;
  readonly engine: EngineFacts;
  /** Of all its passes, padding included; those of evaluations by what they cost. */
  readonly passTokens: number;
}

/** What is decided by the memory there is. */
export interface MemoryPlan {
  readonly gradientCheckpointing: boolean;
  readonly packedWeights: boolean;
  /** Of the base and a pass over it, which jobs share. */
  readonly passBytes: number;
  /** Of the job alone: what it learns, and what answers its prompts. */
  readonly ownBytes: number;
}

interface ReadData {
  readonly dataset: Dataset;
  readonly template: string | null;
  readonly maxLength: number;
  /** Examples of the dataset that are learnt from. */
  readonly train: readonly number[];
  /** Where the examples to measure with are, and which. */
  readonly valid: Dataset;
  readonly validExamples: readonly number[];
}

export interface PrepareSettings {
  readonly threads: number;
  /** Tokens of a micro-batch. */
  readonly maxTokens: number;
  /** Most that a job may need. */
  readonly maxBytes: number;
}

/** Whoever wants a job prepared. */
export interface Surroundings {
  readonly tell: Tell;
  readonly signal: AbortSignal;
  /** What it was trained with before: it goes on, or is to become the same, to the byte. */
  readonly before?: Conditions | undefined;
}

export type Tell = (message: string, level?: TrainEvent['level'], data?: Record<string, unknown>) => void;

/** Makes jobs from what leases name. */
export class Preparation {
  private readonly downloads: Downloads;
  private readonly settings: PrepareSettings;

  constructor(downloads: Downloads, settings: PrepareSettings) {
    this.downloads = downloads;
    this.settings = settings;
  }

  /**
   * @param held what the job needs on the disk until it is over
   * @throws JobRefusal; Fault where files cannot be fetched
   */
  async prepare(training: Training, held: DisposableStack, surroundings: Surroundings): Promise<PreparedJob> {
    const { signal } = surroundings;
    const folder = await this.downloads.base(training.base, held, signal);
    const checkpoint = await openCheckpoint(folder).catch(unusableBase);
    const data = await this.readData(training, checkpoint, held, surroundings);
    const parent = training.parent && (await this.parentOf(training.parent, checkpoint.config, held, signal));
    const prepared = refusing(() => this.decide(training, checkpoint, data, parent, surroundings));
    const { plan } = prepared;
    if (!plan.dora || parent) return prepared;
    return { ...prepared, plan: { ...plan, initial: await withMagnitudes(checkpoint, plan.initial) } };
  }

  private async readData(
    { hyperparameters: asked, trainingFile, validationFile, seed }: Training,
    checkpoint: Checkpoint,
    held: DisposableStack,
    { tell, signal }: Surroundings,
  ): Promise<ReadData> {
    const maxLength = lengthOf(asked, checkpoint.config);
    const read = async (source: FileSource, field: string) => {
      const path = await this.downloads.data(source, held, signal);
      return readFile(checkpoint, path, field, { maxLength, tell, signal });
    };
    const { dataset, template } = await read(trainingFile, 'training_file');
    const shared = { dataset, template, maxLength };
    if (validationFile) {
      const valid = (await read(validationFile, 'validation_file')).dataset;
      return { ...shared, train: numbers(dataset), valid, validExamples: numbers(valid) };
    }
    if (asked.validation_split === undefined)
      return { ...shared, train: numbers(dataset), valid: dataset, validExamples: [] };
    if (dataset.report.examples < 2)
      throw new JobRefusal(
        'invalid_hyperparameters',
        'hyperparameters.validation_split',
        'validation_split: one example cannot be split; give more rows, or a validation_file.',
      );
    const { train, valid } = split(dataset, asked.validation_split, seed);
    tell(`${valid.length} of ${dataset.report.examples} examples are kept out of training, to measure with`);
    return { ...shared, train, valid: dataset, validExamples: valid };
  }

  private decide(
    { hyperparameters: asked, base, seed }: Training,
    checkpoint: Checkpoint,
    { dataset, template, maxLength, train, valid, validExamples }: ReadData,
    parent: Parent | undefined,
    surroundings: Surroundings,
  ): PreparedJob {
    const { threads, maxTokens } = this.conditions(surroundings.before);
    const decided = decide(checkpoint.config, asked, train.length);
    const layout = { maxTokens, packing: asked.packing ?? false };
    const batches = new Batches(dataset, train, { ...layout, batchSize: decided.batchSize, seed });
    const steps = decided.epochs * batches.stepsPerEpoch;
    const plan = planJob(checkpoint.config, base.id, asked, decided, { steps, seed, parent });
    const data: JobData = {
      stepAfter: (done) => batches.stepAfter(done),
      linesAfter: (done) => batches.examplesAfter(done).map((example) => dataset.lines[example]!),
      validation: layOut(valid, validExamples, layout),
    };
    const longest = Math.min(Math.max(dataset.report.longest, valid.report.longest), maxLength);
    const memory = this.planMemory(checkpoint.config, plan, { longest, maxTokens }, asked, surroundings);
    const engine = engineOf({ threads, maxTokens, packedWeights: memory.packedWeights });
    const evaluations = 1 + Math.floor(steps / plan.evaluateEvery);
    const passTokens =
      decided.epochs * batches.tokensPerEpoch +
      FORWARD_SHARE * evaluations * data.validation.reduce((sum, { rows, length }) => sum + rows * length, 0);
    const { report } = dataset;
    return { checkpoint, decided, plan, data, report, template, maxLength, memory, engine, passTokens };
  }

  /**
   * Memory for time, as far as there is memory. Packed weights save a tenth to a fifth of a step; they are for those who need half of
   * the memory at most, so that a second base still fits beside. Gradient checkpointing is for those who need it: it saves half of the
   * memory and costs a third more time.
   */
  private planMemory(
    base: BaseConfig,
    { initial }: JobPlan,
    { longest, maxTokens }: { longest: number; maxTokens: number },
    { gradient_checkpointing: asked, sample_prompts: prompts = [] }: Hyperparameters,
    { tell, before }: Surroundings,
  ): MemoryPlan {
    const { maxBytes } = this.settings;
    const tokens = Math.max(longest, maxTokens);
    const ownBytes = adapterBytes(initial) + (prompts.length > 0 ? servingBytes(base) : 0);
    const plan = (gradientCheckpointing: boolean, packedWeights: boolean): MemoryPlan => ({
      gradientCheckpointing,
      packedWeights,
      passBytes: passBytes(base, { tokens, length: longest, gradientCheckpointing, packedWeights }),
      ownBytes,
    });
    const fastest = (gradientCheckpointing: boolean) => {
      const packed = plan(gradientCheckpointing, true);
      const limit = before?.packedWeights ? maxBytes : maxBytes / 2;
      const isPacked = (before?.packedWeights ?? true) && allOf(packed) <= limit;
      return isPacked ? packed : plan(gradientCheckpointing, false);
    };
    const wanted = fastest(asked ?? false);
    if (allOf(wanted) <= maxBytes) return wanted;
    const least = fastest(asked ?? true);
    if (allOf(least) > maxBytes)
      throw new OutOfMemory(
        `examples of ${longest} tokens need about ${gib(allOf(least))} GiB; this runner has ${gib(maxBytes)}`,
        least,
      );
    tell(`gradient_checkpointing is on: without it, training would need about ${gib(allOf(wanted))} GiB.`);
    return least;
  }

  /** More threads than there are processors would wait for each other. */
  private conditions(before: Conditions | undefined): Pick<Conditions, 'threads' | 'maxTokens'> {
    if (!before) return this.settings;
    const { threads, maxTokens } = before;
    return { threads: threads <= availableParallelism() ? threads : this.settings.threads, maxTokens };
  }

  private async parentOf(
    parent: NonNullable<Training['parent']>,
    base: BaseConfig,
    held: DisposableStack,
    signal: AbortSignal,
  ): Promise<Parent> {
    const folder = await this.downloads.adapter(parent, held, signal);
    const { config } = parent;
    return { config, modules: await readAdapterFile(join(folder, WEIGHTS_FILE), config, base) };
  }
}

const allOf = ({ passBytes, ownBytes }: MemoryPlan) => passBytes + ownBytes;

const gib = (bytes: number) => (bytes / 2 ** 30).toFixed(1);

const numbers = ({ report }: Dataset) => Array.from({ length: report.examples }, (_, i) => i);

async function readFile(
  { folder, endTokens }: Checkpoint,
  path: string,
  field: string,
  { maxLength, tell, signal }: { maxLength: number; tell: Tell; signal: AbortSignal },
): Promise<ReadFile> {
  let told = performance.now();
  const onRows = (rows: number) => {
    if (performance.now() - told < TELL_EVERY_MS) return;
    told = performance.now();
    tell(`${field}: ${rows.toLocaleString('en')} rows read`);
  };
  const refuse = (message: string) => new JobRefusal(`invalid_${field}`, field, message);
  const read = await readInThread({ folder, path, endTokens, maxLength }, onRows, signal).catch((error) => {
    throw error instanceof DatasetError ? refuse(`${field}: ${error.message}.`) : error;
  });
  const { report } = read.dataset;
  const refusal = refusalOf(report, field);
  if (refusal) throw refuse(refusal);
  for (const [i, { message, level }] of reportLines(report, field, maxLength).entries())
    tell(message, level, i === 0 ? { file: field, report } : {});
  return read;
}

function lengthOf({ max_length: asked }: Hyperparameters, { contextLength }: BaseConfig): number {
  if (asked !== undefined && asked > contextLength)
    throw new JobRefusal(
      'invalid_hyperparameters',
      'hyperparameters.max_length',
      `max_length: the base reads ${contextLength} tokens at most, not ${asked}.`,
    );
  return asked ?? Math.min(contextLength, AUTOMATIC_LENGTH);
}

function unusableBase(error: unknown): never {
  if (error instanceof CheckpointError || error instanceof AdapterError)
    throw new JobRefusal('unusable_base', 'model', error.message);
  throw error;
}

/** What only the base can tell of the hyperparameters. */
function refusing<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof TargetError)
      throw new JobRefusal('invalid_hyperparameters', 'hyperparameters.target_modules', error.message);
    if (error instanceof AdapterError || error instanceof AdapterProblems)
      throw new JobRefusal('invalid_hyperparameters', 'hyperparameters', error.message);
    throw error;
  }
}
