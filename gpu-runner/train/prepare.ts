/** From a lease to a job that can run: its files are fetched and read, and everything that was left open is decided. */
import { join } from 'node:path';
import type { BaseConfig } from '../../adapter/base-config.ts';
import { AdapterError, AdapterProblems } from '../../adapter/error.ts';
import type { FileSource } from '../../functions/generate.ts';
import type { Hyperparameters, TrainEvent, TrainLease } from '../../functions/train.ts';
import { DiskCache } from '../disk-cache.ts';
import { readAdapterFile, WEIGHTS_FILE } from '../model/adapter-file.ts';
import { type Checkpoint, CheckpointError, openCheckpoint } from '../model/checkpoint.ts';
import { Batches, layOut, split } from './data/batches.ts';
import type { Dataset, DatasetReport } from './data/dataset.ts';
import { DatasetError, readInThread } from './data/dataset-reader.ts';
import type { ReadFile } from './data/dataset-worker.ts';
import { refusalOf, reportLines } from './data/report.ts';
import type { JobData } from './leased-job.ts';
import { TargetError, withMagnitudes } from './lora.ts';
import { servingBytes, trainingBytes } from './memory.ts';
import { type Decided, decide, type JobPlan, type Parent, planJob } from './plan.ts';
import { JobRefusal } from './refusal.ts';

/** Where max_length is not given: conversations are shorter, and the memory of attention grows with its square. */
const AUTOMATIC_LENGTH = 2048;
/** Files are known by their content, whatever their owners call them. */
const DATA_FILE = 'data.jsonl';
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
}

export interface MemoryPlan {
  readonly gradientCheckpointing: boolean;
  readonly bytes: number;
}

export interface PrepareSettings {
  readonly cacheFolder: string;
  readonly diskBytes: number;
  /** Tokens of a micro-batch. */
  readonly maxTokens: number;
  /** Most that a job may need. */
  readonly maxBytes: number;
}

export type Tell = (message: string, level?: TrainEvent['level'], data?: Record<string, unknown>) => void;

/** Fetched files of this process, and jobs made from them. */
export class Preparation {
  private readonly bases: DiskCache;
  private readonly adapters: DiskCache;
  private readonly files: DiskCache;
  private readonly settings: PrepareSettings;

  constructor(settings: PrepareSettings) {
    const cache = (name: string) => new DiskCache(join(settings.cacheFolder, name), settings.diskBytes);
    this.bases = cache('bases');
    this.adapters = cache('adapters');
    this.files = cache('files');
    this.settings = settings;
  }

  /**
   * @param held what the job needs on the disk until it is over
   * @throws JobRefusal; Fault where files cannot be fetched
   */
  async prepare(
    lease: TrainLease,
    held: DisposableStack,
    tell: Tell,
    signal: AbortSignal,
  ): Promise<PreparedJob> {
    const { hyperparameters: asked, seed } = lease;
    const base = held.use(await this.bases.hold(lease.base.digest, lease.base.files));
    const checkpoint = await openCheckpoint(base.folder).catch(unusableBase);
    const maxLength = lengthOf(asked, checkpoint.config);
    const read = async (source: FileSource, field: string) => {
      const { folder } = held.use(await this.files.hold(source.sha256, [{ ...source, path: DATA_FILE }]));
      return readFile(checkpoint, join(folder, DATA_FILE), field, { maxLength, tell, signal });
    };
    const { dataset, template } = await read(lease.trainingFile, 'training_file');
    const parts = { train: numbers(dataset), valid: dataset, validExamples: [] as readonly number[] };
    if (lease.validationFile) {
      parts.valid = (await read(lease.validationFile, 'validation_file')).dataset;
      parts.validExamples = numbers(parts.valid);
    } else if (asked.validation_split !== undefined) {
      if (dataset.report.examples < 2)
        throw new JobRefusal(
          'invalid_hyperparameters',
          'hyperparameters.validation_split',
          'validation_split: one example cannot be split; give more rows, or a validation_file.',
        );
      const { train, valid } = split(dataset, asked.validation_split, seed);
      parts.train = train;
      parts.validExamples = valid;
      tell(
        `${valid.length} of ${dataset.report.examples} examples are kept out of training, to measure with`,
      );
    }
    const parent = lease.parent && (await this.parentOf(lease.parent, checkpoint.config, held));
    const prepared = refusing(() => {
      const decided = decide(checkpoint.config, asked, parts.train.length);
      const { maxTokens } = this.settings;
      const packing = asked.packing ?? false;
      const batches = new Batches(dataset, parts.train, {
        batchSize: decided.batchSize,
        maxTokens,
        packing,
        seed,
      });
      const steps = decided.epochs * batches.stepsPerEpoch;
      const plan = planJob(checkpoint.config, lease.base.id, asked, decided, { steps, seed, parent });
      const data: JobData = {
        stepAfter: (done) => batches.stepAfter(done),
        linesAfter: (done) => batches.examplesAfter(done).map((example) => dataset.lines[example]!),
        validation: layOut(parts.valid, parts.validExamples, { maxTokens, packing }),
      };
      const longest = Math.min(Math.max(dataset.report.longest, parts.valid.report.longest), maxLength);
      const memory = this.planMemory(checkpoint.config, plan, longest, asked, tell);
      return { checkpoint, decided, plan, data, report: dataset.report, template, maxLength, memory };
    });
    const { plan } = prepared;
    if (!plan.dora || parent) return prepared;
    return { ...prepared, plan: { ...plan, initial: await withMagnitudes(checkpoint, plan.initial) } };
  }

  /** Gradient checkpointing is for those who need it: it saves half of the memory and costs a third more time. */
  private planMemory(
    base: BaseConfig,
    { initial }: JobPlan,
    longest: number,
    { gradient_checkpointing: asked, sample_prompts: prompts = [] }: Hyperparameters,
    tell: Tell,
  ): MemoryPlan {
    const { maxTokens, maxBytes } = this.settings;
    const tokens = Math.max(longest, maxTokens);
    const plan = (gradientCheckpointing: boolean): MemoryPlan => ({
      gradientCheckpointing,
      bytes:
        trainingBytes(base, initial, { tokens, length: longest, gradientCheckpointing }) +
        (prompts.length > 0 ? servingBytes(base) : 0),
    });
    const wanted = plan(asked ?? false);
    if (wanted.bytes <= maxBytes) return wanted;
    const least = plan(asked ?? true);
    if (least.bytes > maxBytes) {
      const hint = least.gradientCheckpointing ? '' : ', or set gradient_checkpointing';
      throw new JobRefusal(
        'out_of_memory',
        'hyperparameters.max_length',
        `max_length: examples of ${longest} tokens need about ${gib(least.bytes)} GiB; this runner has ${gib(maxBytes)}. Lower it${hint}.`,
      );
    }
    tell(`gradient_checkpointing is on: without it, training would need about ${gib(wanted.bytes)} GiB.`);
    return least;
  }

  private async parentOf(
    { digest, config, weights }: NonNullable<TrainLease['parent']>,
    base: BaseConfig,
    held: DisposableStack,
  ): Promise<Parent> {
    const file = held.use(await this.adapters.hold(digest, [{ ...weights, path: WEIGHTS_FILE }]));
    const modules = await readAdapterFile(join(file.folder, WEIGHTS_FILE), config, base);
    return { config, modules };
  }
}

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
