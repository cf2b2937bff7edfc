/** Training jobs, for their owners. What a runner does with them is in leases.ts. */
import { ownerName } from '../adapter/reference.ts';
import { findAdapter } from '../db/adapters.ts';
import { type Base, findBase } from '../db/bases.ts';
import type { TrainingQueue } from '../db/queue.ts';
import {
  changeJob,
  findJob,
  insertJob,
  isOver,
  type Job,
  type JobChange,
  note,
  requeueLast,
} from '../db/training.ts';
import type { Hyperparameters } from '../functions/train.ts';
import { count } from '../observe/metrics.ts';
import { traceparent } from '../observe/trace.ts';
import { findVisible, requireRole, requireUse } from './access.ts';
import type { Principal } from './auth.ts';
import { ApiError } from './errors.ts';
import { parseSingle } from './invoke.ts';
import { enterTraining, requireBudget } from './metering.ts';
import { beginPrivate } from './publish.ts';
import { ownFile } from './user-files.ts';
import type { PublishDeps } from './versions.ts';

export interface TrainingDeps extends PublishDeps {
  readonly queue: TrainingQueue;
}

export interface JobOrder {
  /** A base, or an adapter to continue from. */
  readonly model: string;
  readonly trainingFile: string;
  readonly validationFile: string | undefined;
  readonly hyperparameters: Hyperparameters;
  readonly suffix: string | undefined;
  /** Of what it makes, where that is new. */
  readonly visibility: 'private' | undefined;
  readonly seed: number | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

const MAX_NAME = 64;
const MAX_SEED = 2 ** 31 - 1;

/** @throws ApiError naming the field */
export async function createJob(deps: TrainingDeps, principal: Principal, order: JobOrder): Promise<Job> {
  await requireBudget(deps.db, principal, deps.now());
  const { base, parent } = await findModel(deps, principal, order.model);
  const training = await ownFile(deps, principal, order.trainingFile, 'training_file');
  const validation =
    order.validationFile === undefined
      ? undefined
      : await ownFile(deps, principal, order.validationFile, 'validation_file');
  if (validation?.sha256 === training.sha256) {
    throw new ApiError(
      'invalid_request',
      'validation_file has the same content as training_file: it would measure nothing.',
      { field: 'validation_file' },
    );
  }
  const { early_stopping_patience: patience, validation_split: split } = order.hyperparameters;
  if (patience !== undefined && split === undefined && !validation) {
    throw new ApiError(
      'invalid_request',
      'early_stopping_patience looks at the validation loss: give a validation_file, or validation_split.',
      { field: 'hyperparameters.early_stopping_patience' },
    );
  }
  const id = `ftjob-${crypto.randomUUID()}`;
  const target = `${principal.owner}/${await targetName(deps, principal, order.suffix, base, id)}`;
  requireRole(principal, target, 'write');
  // From now on: its checkpoints are published under the name as well.
  if (order.visibility) await beginPrivate(deps, principal, target);
  const job = await insertJob(deps.db, deps.queue, {
    id,
    userId: principal.userId,
    model: order.model,
    baseId: base.id,
    parentId: parent?.id ?? null,
    parentNumber: parent?.number ?? null,
    target,
    trainingFile: training.id,
    trainingSha256: training.sha256,
    validationFile: validation?.id ?? null,
    validationSha256: validation?.sha256 ?? null,
    hyperparameters: order.hyperparameters,
    seed: order.seed ?? randomSeed(),
    metadata: { ...order.metadata },
    status: 'validating_files',
    createdAt: deps.now(),
    traceparent: traceparent() ?? null,
  });
  if (!job)
    throw new ApiError('not_found', 'A file of the job was deleted meanwhile.', { field: 'training_file' });
  return job;
}

async function findModel(
  { db }: TrainingDeps,
  principal: Principal,
  model: string,
): Promise<{ base: Base; parent?: { id: string; number: number } }> {
  const { owner, name, version, checkpoint, weight } = parseSingle(model);
  const id = `${owner}/${name}`;
  if (weight !== 1)
    throw new ApiError('invalid_request', 'model: training knows no weights; name it without `:`.', {
      field: 'model',
    });
  if (checkpoint !== undefined)
    throw new ApiError(
      'invalid_request',
      'model: promote the checkpoint first; training goes on from versions.',
      {
        field: 'model',
      },
    );
  const bare = version === undefined ? await findBase(db, id) : undefined;
  if (bare) return { base: bare };
  const found = await findVisible(db, principal, id, version, ['train']);
  const base = found && (await findBase(db, found.version.baseId));
  if (!base) {
    throw new ApiError(
      'model_not_found',
      `There is no model ${model}; GET /v1/models lists those there are.`,
      {
        field: 'model',
      },
    );
  }
  await requireUse(db, principal, found.adapter, 'train');
  return { base, parent: { id, number: found.version.number } };
}

/** The suffix, or a name after the base and the job, which nothing else has. */
async function targetName(
  { db }: TrainingDeps,
  { owner }: Principal,
  suffix: string | undefined,
  base: Base,
  jobId: string,
): Promise<string> {
  if (suffix === undefined) {
    const unique = jobId.slice(-12);
    const [, baseName = ''] = base.id.split('/');
    return ownerName.parse(`${baseName.slice(0, MAX_NAME - unique.length - 1)}-${unique}`);
  }
  if (await findBase(db, `${owner}/${suffix}`)) {
    throw new ApiError(
      'conflict',
      `suffix: ${owner}/${suffix} is a base model already; choose another one.`,
      {
        field: 'suffix',
      },
    );
  }
  const there = await findAdapter(db, `${owner}/${suffix}`);
  if (there && there.baseId !== base.id) {
    throw new ApiError(
      'conflict',
      `suffix: ${owner}/${suffix} is an adapter of ${there.baseId} already; choose another one.`,
      { field: 'suffix' },
    );
  }
  return suffix;
}

function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]! % MAX_SEED;
}

/** A job of somebody else is as good as none. @throws ApiError not_found */
export async function ownJob(
  deps: TrainingDeps,
  principal: Principal,
  id: string,
  field = 'fine_tuning_job_id',
): Promise<Job> {
  const job = await findJob(deps.db, id);
  if (job?.userId === principal.userId) return job;
  throw new ApiError('not_found', `There is no fine-tuning job ${id}.`, { field });
}

/** Ends the job where it stands; a runner at work on it learns so from its next call. @throws ApiError conflict */
export function cancelJob(deps: TrainingDeps, principal: Principal, id: string): Promise<Job> {
  return change(deps, principal, id, async (job, tx) => {
    if (job.draftId && job.leaseExpiresAt)
      throw conflict(job, 'is being published; it is too late to cancel');
    await note(tx, job.id, 'The job was cancelled');
    count('patchbay_jobs_ended_total', 1, { status: 'cancelled' });
    const now = deps.now();
    const metered = await enterTraining(tx, job, job.trainedTokens ?? 0, now);
    return { ...metered, status: 'cancelled', pausing: false, leaseExpiresAt: null, finishedAt: now };
  });
}

/** A job that nobody works on pauses at once, else when its runner has written a checkpoint. @throws ApiError conflict */
export function pauseJob(deps: TrainingDeps, principal: Principal, id: string): Promise<Job> {
  return change(deps, principal, id, async (job, tx) => {
    if (job.status === 'paused' || job.pausing) return undefined;
    await note(
      tx,
      job.id,
      job.leaseExpiresAt ? 'The job pauses at its next checkpoint' : 'The job was paused',
    );
    return job.leaseExpiresAt ? { pausing: true } : { status: 'paused' };
  });
}

/** @throws ApiError conflict for a job that is not paused, insufficient_quota */
export function resumeJob(deps: TrainingDeps, principal: Principal, id: string): Promise<Job> {
  return change(deps, principal, id, async (job, tx) => {
    if (job.status !== 'paused' && !job.pausing)
      throw conflict(job, `is ${job.status}; only a paused job resumes`);
    await requireBudget(tx, principal, deps.now());
    await note(tx, job.id, 'The job was resumed');
    if (job.pausing) return { pausing: false };
    return requeueLast(tx, deps.queue, job, deps.now());
  });
}

async function change(
  deps: TrainingDeps,
  principal: Principal,
  id: string,
  decide: (job: Job, tx: PublishDeps['db']) => Promise<JobChange | undefined>,
): Promise<Job> {
  await ownJob(deps, principal, id);
  const changed = await changeJob(deps.db, id, (job, tx) => {
    if (isOver(job))
      throw conflict(job, `is over: it ${job.status === 'cancelled' ? 'was cancelled' : job.status}`);
    if (job.submitted) throw conflict(job, 'has its adapter verified; nothing is left to stop');
    return decide(job, tx);
  });
  return changed!;
}

const conflict = (job: Job, what: string) =>
  new ApiError('conflict', `The job ${job.id} ${what}.`, { field: 'fine_tuning_job_id' });
