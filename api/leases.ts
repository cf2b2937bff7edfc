/** Training jobs, for runners: the use cases behind functions/train.ts. */
import { findSubmitted } from '../db/adapters.ts';
import { findBase } from '../db/bases.ts';
import { sizeOfFile } from '../db/files.ts';
import {
  addEvents,
  declareCheckpoint,
  endExpiredLeases,
  findDeclared,
  findLeased,
  giveBack,
  isKept,
  keepCheckpoint,
  leaseNextJob,
  lose,
} from '../db/leases.ts';
import type { CheckpointFile } from '../db/schema.ts';
import { type Job, listCheckpoints, note } from '../db/training.ts';
import type { FileSource } from '../functions/generate.ts';
import { CHECKPOINTS, fileKey } from '../functions/object-keys.ts';
import {
  type DeclaredCheckpoint,
  type EventBatch,
  HEARTBEAT_SECONDS,
  type Heartbeat,
  type HeartbeatAnswer,
  Hyperparameters,
  type JobFailure,
  type KeptCheckpoint,
  type TrainLease,
  type TrainRelease,
  train,
  type UploadUrls,
  type Validated,
} from '../functions/train.ts';
import { count } from '../observe/metrics.ts';
import { hashOf, toStorable } from './content.ts';
import { ApiError } from './errors.ts';
import type { TrainingDeps } from './fine-tuning.ts';
import { adapterSource, baseSource, fileSource } from './invoke.ts';
import { expiry, sameFiles, under } from './job-lease.ts';
import { enterTraining, pauseAtCap } from './metering.ts';
import { finishPublished } from './results.ts';

/** @returns undefined: nothing waits */
export async function takeLease(deps: TrainingDeps, runner: string): Promise<TrainLease | undefined> {
  await endExpiredLeases(deps.db, deps.queue, train.needs.retries, deps.now());
  for (;;) {
    const id = crypto.randomUUID();
    const job = await leaseNextJob(deps.db, deps.queue, { id, runner, expiresAt: expiry(deps) });
    if (!job) return undefined;
    if (await finishPublished(deps, job)) continue;
    if (await leaveAtCap(deps, job)) continue;
    return describeLease(deps, job);
  }
}

/** One that waited until this month's cap was reached by others pauses before it begins. @returns whether it does */
async function leaveAtCap(deps: TrainingDeps, job: Job): Promise<boolean> {
  const { status } = await under(deps, job.leaseId!, async (current, tx) => {
    const paused = await pauseAtCap(tx, current, deps.now());
    return paused.pausing ? giveBack(tx, deps.queue, { ...current, ...paused }, deps.now()) : undefined;
  });
  return status === 'paused';
}

async function describeLease(deps: TrainingDeps, job: Job): Promise<TrainLease> {
  const parent = job.parentId ? await parentSource(deps, job.parentId, job.parentNumber!) : undefined;
  const base = await findBase(deps.db, job.baseId);
  if (!base) throw new Error(`base ${job.baseId} of a job is missing`);
  const [checkpoint] = await listCheckpoints(deps.db, job.id, 1);
  return {
    leaseId: job.leaseId!,
    ...(job.traceparent ? { traceparent: job.traceparent } : {}),
    jobId: job.id,
    base: await baseSource(deps, base),
    ...(parent ? { parent } : {}),
    trainingFile: await userFile(deps, job.trainingFile, job.trainingSha256),
    ...(job.validationFile
      ? { validationFile: await userFile(deps, job.validationFile, job.validationSha256!) }
      : {}),
    hyperparameters: Hyperparameters.parse(job.hyperparameters),
    seed: job.seed,
    ...(checkpoint
      ? { checkpoint: { step: checkpoint.step, files: await checkpointFiles(deps, checkpoint.files) } }
      : {}),
    validated: job.decided !== null,
    heartbeatSeconds: HEARTBEAT_SECONDS,
  };
}

/** It was the job's owner's to use when the job was made. */
async function parentSource(deps: TrainingDeps, id: string, number: number) {
  const version = await findSubmitted(deps.db, id, number);
  if (!version) throw new Error(`the parent ${id}@${number} of a job is missing`);
  return adapterSource(deps, version);
}

/**
 * What a job or a task needs is not deleted before it is over. The store is not asked: the lease is given by then, and would be lost
 * with every question while the store is away.
 */
export async function userFile(
  { db, blobs }: Pick<TrainingDeps, 'db' | 'blobs'>,
  id: string,
  sha256: string,
): Promise<FileSource> {
  const size = await sizeOfFile(db, id);
  if (size === undefined) throw new Error(`the file ${id} is missing`);
  return fileSource(blobs, { path: `${id}.jsonl`, sha256, size }, fileKey(id));
}

function checkpointFiles({ blobs }: TrainingDeps, files: readonly CheckpointFile[]): Promise<FileSource[]> {
  return Promise.all(files.map((file) => fileSource(blobs, file, file.key)));
}

const unchanged = async () => undefined;

export async function heartbeat(
  deps: TrainingDeps,
  leaseId: string,
  { trainedTokens, estimatedFinish }: Heartbeat,
): Promise<HeartbeatAnswer> {
  const known = await findLeased(deps.db, leaseId);
  if (known?.status === 'cancelled') return { action: 'cancel' };
  const job = await under(deps, leaseId, async () => ({
    leaseExpiresAt: expiry(deps),
    ...(trainedTokens === undefined ? {} : { trainedTokens }),
    ...(estimatedFinish === undefined ? {} : { estimatedFinish: new Date(estimatedFinish) }),
  }));
  return { action: wanted(job) };
}

const wanted = ({ pausing }: Job) => (pausing ? 'pause' : 'continue');

export async function markValidated(
  deps: TrainingDeps,
  leaseId: string,
  { decided, totalSteps, estimatedFinish }: Validated,
): Promise<void> {
  await under(deps, leaseId, async (job, tx) => {
    if (job.decided) return undefined;
    await note(tx, job.id, 'Files validated, moving job to queued state');
    await note(tx, job.id, `Fine-tuning job started: ${totalSteps} steps`);
    const finish = estimatedFinish === undefined ? {} : { estimatedFinish: new Date(estimatedFinish) };
    return { decided, status: 'running', ...finish };
  });
}

export async function reportEvents(
  deps: TrainingDeps,
  leaseId: string,
  { events }: EventBatch,
): Promise<HeartbeatAnswer> {
  const job = await under(deps, leaseId, async ({ id }, tx) => {
    await addEvents(tx, id, leaseId, toStorable(events));
    return undefined;
  });
  return { action: wanted(job) };
}

/** @returns no URLs where a checkpoint of this step is kept already */
export async function startCheckpoint(
  deps: TrainingDeps,
  leaseId: string,
  { step, files }: DeclaredCheckpoint,
): Promise<UploadUrls> {
  let declared: readonly CheckpointFile[] = [];
  await under(deps, leaseId, async (job, tx) => {
    if (await isKept(tx, job.id, step)) return undefined;
    const id = `ftckpt-${crypto.randomUUID()}`;
    const keyed = files.map((file) => ({
      ...file,
      key: `${CHECKPOINTS}${job.id}/${step}/${leaseId}/${file.path}`,
    }));
    declared = (await declareCheckpoint(tx, { id, jobId: job.id, step, leaseId, files: keyed })).files;
    return undefined;
  });
  if (declared.length > 0 && !sameFiles(declared, files)) {
    throw new ApiError('conflict', `step: checkpoint ${step} was declared with other files before.`, {
      field: 'step',
    });
  }
  return {
    files: await Promise.all(
      declared.map(async ({ path, key }) => ({ path, url: await deps.blobs.putUrl(key) })),
    ),
  };
}

/** Keeps a checkpoint whose files have arrived. @throws ApiError refused for files that are not what was declared */
export async function keepDeclared(
  deps: TrainingDeps,
  leaseId: string,
  step: number,
  { trainedTokens, ...metrics }: KeptCheckpoint,
): Promise<void> {
  const job = await under(deps, leaseId, unchanged);
  if (await isKept(deps.db, job.id, step)) return;
  const declared = await findDeclared(deps.db, job.id, step, leaseId);
  if (!declared) {
    throw new ApiError('not_found', `step: checkpoint ${step} was not declared under this lease.`, {
      field: 'step',
    });
  }
  for (const file of declared.files) await checkArrived(deps, file);
  await under(deps, leaseId, async (current, tx) => {
    if (await isKept(tx, job.id, step)) return undefined;
    await keepCheckpoint(tx, declared.id, metrics, deps.now());
    await note(tx, job.id, `Checkpoint created at step ${step}`);
    const now = deps.now();
    const entered = await enterTraining(tx, current, trainedTokens, now);
    return { losses: 0, ...entered, ...(await pauseAtCap(tx, current, now)) };
  });
}

async function checkArrived(deps: TrainingDeps, { path, size, sha256, key }: CheckpointFile): Promise<void> {
  const stored = await deps.blobs.size(key);
  const actual = stored === size ? await hashOf(await deps.blobs.read(key), deps.createHasher()) : undefined;
  if (actual !== sha256)
    throw new ApiError('refused', `${path} is not there, or not as it was declared.`, { field: path });
}

/** The reason may quote what the job's owner has sent. */
export async function failJob(deps: TrainingDeps, leaseId: string, failure: JobFailure): Promise<void> {
  const error = toStorable(failure);
  await under(deps, leaseId, async ({ id }, tx) => {
    await note(tx, id, error.message, 'error');
    count('patchbay_jobs_ended_total', 1, { status: 'failed' });
    return { status: 'failed', error, finishedAt: deps.now(), leaseExpiresAt: null, pausing: false };
  });
}

export async function releaseJob(
  deps: TrainingDeps,
  leaseId: string,
  { notKept }: TrainRelease,
): Promise<void> {
  await under(deps, leaseId, async (job, tx) => {
    if (notKept !== undefined)
      return lose(tx, deps.queue, job, deps.now(), {
        retries: train.needs.retries,
        note: `The runner gave the job back: ${notKept}`,
        code: 'checkpoint_not_kept',
        message: `${job.losses + 1} runners in a row kept nothing of their work: ${notKept}. A smaller r, or fewer target_modules, makes checkpoints smaller.`,
      });
    const change = await giveBack(tx, deps.queue, job, deps.now());
    await note(
      tx,
      job.id,
      change.status === 'paused' ? 'The job was paused' : 'The runner gave the job back',
    );
    return change;
  });
}
