/** Trains a version again, as jobs are trained, and compares what comes of it with what there is. */
import { type ReproduceEvent, type ReproduceResult, reproduce } from '../../functions/reproduce.ts';
import { type TaskContext, TaskRefusal } from '../../functions/tasks.ts';
import type { Heartbeat } from '../../functions/train.ts';
import type { TrainRunnerConfig } from '../config.ts';
import type { Downloads } from '../downloads.ts';
import { conditionsOf, differencesOf, EngineFacts, engineOf } from '../train/engine-facts.ts';
import { type AdapterFiles, declared, type JobReporter, LeasedJob } from '../train/leased-job.ts';
import { Preparation, type PreparedJob } from '../train/prepare.ts';
import { JobRefusal, OutOfMemory, withinMemory } from '../train/refusal.ts';
import { adapterFiles, receiptOf } from '../train/result.ts';
import { needsOf, type TrainerPool } from '../train/trainer-pool.ts';

type Facts = Readonly<Record<string, unknown>>;

/** Whoever trained with another of these had other bytes: to train first would tell nothing more. */
const DECISIVE = ['version', 'provider'];
const NOT_FOUND = '(none)';
/** What a job calls its files -> what a task does. */
const FIELDS: Readonly<Record<string, string>> = { training_file: 'file', validation_file: 'validationFile' };

export interface AgainParts {
  readonly config: TrainRunnerConfig;
  readonly downloads: Downloads;
  /** Shared with the jobs of this process: they fill the memory together. */
  readonly pool: TrainerPool;
  readonly leaseId: string;
}

/** @throws TaskRefusal, Fault */
export async function trainAgain(
  event: ReproduceEvent,
  parts: AgainParts,
  context: TaskContext,
): Promise<ReproduceResult> {
  const { before } = event;
  requireSame(before.engine, engineOf({ ...parts.config, packedWeights: false }));
  try {
    const { files, receipt } = await train(event, parts, context);
    const digests = before.files.map(({ path, sha256 }) => {
      const again = files.find((file) => file.path === path);
      if (!again) throw new Error(`training made no ${path}`);
      return { path, before: sha256, again: again.sha256 };
    });
    return {
      same: digests.every((one) => one.before === one.again),
      digests,
      differences: [
        ...within('engine', before.engine, receipt.engine as Facts),
        ...within('decided', before.decided, receipt.decided as Facts),
      ],
    };
  } catch (error) {
    throw error instanceof JobRefusal ? refusalOf(error) : error;
  }
}

async function train(event: ReproduceEvent, parts: AgainParts, context: TaskContext) {
  using held = new DisposableStack();
  const { config, downloads } = parts;
  const { signal, report } = context;
  report({ what: 'reading', done: 0, total: 1 });
  const prepared = await new Preparation(downloads, config).prepare(event, held, {
    tell: () => undefined,
    signal,
    before: conditionsOf(EngineFacts.parse(event.before.engine)),
  });
  return await withinMemory(prepared.memory, () => trainPrepared(event, prepared, parts, context));
}

async function trainPrepared(
  event: ReproduceEvent,
  prepared: PreparedJob,
  { pool, leaseId }: AgainParts,
  { signal, report }: TaskContext,
) {
  const { plan, data, engine } = prepared;
  await using trainer = await pool.hold(needsOf(prepared), signal);
  const reporter = new StepsOnly((step) => report({ what: 'steps', done: step, total: plan.steps }));
  const filesOf: AdapterFiles = (weights, facts) => adapterFiles(event, prepared, weights, facts, true);
  const client = { checkpoint: async () => undefined }; // nothing is kept
  const samples = undefined; // they show what it learns, and change nothing
  const maxSeconds = reproduce.needs.timeoutSeconds;
  const made = { leaseId, plan, data, engine, ...trainer, client, reporter, samples, filesOf, maxSeconds };
  const job = new LeasedJob(made);
  await job.run(signal);
  signal.throwIfAborted();
  const receipt = receiptOf(event, prepared, job.facts);
  return {
    files: declared(filesOf(job.weights, job.facts)),
    receipt: JSON.parse(JSON.stringify(receipt)) as typeof receipt, // as it would have been kept: without what is undefined
  };
}

/** A job tells its owner much; of this one, how far it is. That it is cancelled comes by the signal. */
class StepsOnly implements JobReporter {
  readonly action = 'continue';
  private readonly onStep: (step: number) => void;

  constructor(onStep: (step: number) => void) {
    this.onStep = onStep;
  }

  set progress({ step }: Heartbeat) {
    if (step !== undefined) this.onStep(step);
  }

  check(): void {}
  event(): void {}
  message(): void {}
  async flush(): Promise<void> {}
}

/** @throws TaskRefusal */
function requireSame(before: Facts, here: Facts): void {
  const others = differencesOf(before, here).filter(({ what }) => DECISIVE.includes(what));
  if (others.length === 0) return;
  const told = others.map(
    ({ what, before: was, again }) => `${what} was ${was ?? NOT_FOUND} and is ${again ?? NOT_FOUND} here`,
  );
  throw new TaskRefusal({
    code: 'not_repeatable',
    message: `It was trained by another engine, which comes to other bytes: ${told.join('; ')}.`,
    field: 'model',
  });
}

const within = (part: string, before: Facts, again: Facts): ReproduceResult['differences'] =>
  differencesOf(before, again).map((one) => ({ ...one, what: `${part}.${one.what}` }));

/** What is to be the same again cannot be lowered. */
const elsewhere = ({ what }: OutOfMemory) =>
  `It needs more memory to be trained again than there is here: ${what}. A runner with more can.`;

function refusalOf(refusal: JobRefusal): TaskRefusal {
  const { code, param, message: told } = refusal.failure;
  const message = refusal instanceof OutOfMemory ? elsewhere(refusal) : told;
  const field = FIELDS[param ?? ''];
  return new TaskRefusal({ code, message, ...(field ? { field } : {}) });
}
