/**
 * What a training job ends in: its adapter is published as anybody's is, and the job succeeds or fails as the publish gate
 * decides. From the hand-in on nobody works on the job; the verdict ends it.
 */
import { findSubmitted, type Version } from '../db/adapters.ts';
import { findBase } from '../db/bases.ts';
import { expireDraft, findDraft } from '../db/drafts.ts';
import { findLeased, isLive } from '../db/leases.ts';
import type { Database } from '../db/open.ts';
import type { Lineage } from '../db/schema.ts';
import { changeJob, isOver, type Job, type JobChange, note, submittedJobs } from '../db/training.ts';
import { latestVerdict } from '../db/verifications.ts';
import type { DeclaredResult, ResultAnswer, ResultUploads } from '../functions/train.ts';
import type { GateProblem } from '../functions/verify.ts';
import { count } from '../observe/metrics.ts';
import type { Principal } from './auth.ts';
import { ApiError } from './errors.ts';
import type { TrainingDeps } from './fine-tuning.ts';
import { leaseOver, sameFiles, under } from './job-lease.ts';
import { enterTraining } from './metering.ts';
import { completeDraft, discardDraft, startAdapterDraft, viewDraft } from './publish.ts';

/** Takes in what the adapter consists of; it is published as anybody's adapter is. */
export async function startResult(
  deps: TrainingDeps,
  leaseId: string,
  { files, receipt, trainedTokens }: DeclaredResult,
): Promise<ResultUploads> {
  const job = await under(deps, leaseId, async () => ({ trainedTokens }));
  const known = job.draftId ? await findDraft(deps.db, job.draftId) : undefined;
  if (known && sameFiles(known.files, files)) {
    return uploadsOf(await viewDraft(deps, ownerOf(job), known.draft.id));
  }
  const lineage = await lineageOf(deps.db, job);
  const owner = ownerOf(job);
  const draft = await startAdapterDraft(deps, owner, targetOf(job), job.baseId, files, { lineage, receipt });
  try {
    await under(deps, leaseId, async () => ({ draftId: draft.id }));
  } catch (error) {
    await discardDraft(deps, owner, draft.id);
    throw error;
  }
  if (known) await discardDraft(deps, owner, known.draft.id);
  return uploadsOf(draft);
}

/** What a version says of the job that it comes from. */
export async function lineageOf(db: Database, job: Job): Promise<Lineage> {
  const base = await findBase(db, job.baseId);
  return {
    jobId: job.id,
    base: { id: job.baseId, digest: base!.digest },
    trainingFile: job.trainingSha256,
    validationFile: job.validationSha256,
    parent: job.parentId ? `${job.parentId}@${job.parentNumber}` : null,
  };
}

const uploadsOf = ({ files }: Awaited<ReturnType<typeof viewDraft>>): ResultUploads => ({
  files: files.map(({ path, partSize, parts }) => ({
    path,
    ...(partSize && parts ? { partSize, parts } : {}),
  })),
});

/** Hands the result in, once, however often it is asked. @throws ApiError refused with every reason, conflict */
export async function completeResult(deps: TrainingDeps, leaseId: string): Promise<ResultAnswer> {
  const job = await findLeased(deps.db, leaseId);
  if (job?.submitted) return { model: modelOf(job, job.submitted) };
  if (!job || !isLive(job, deps.now())) throw leaseOver(leaseId);
  if (!job.draftId) throw new ApiError('conflict', 'No result was declared under this lease.');
  const completed = await completeDraft(deps, ownerOf(job), job.draftId);
  if (completed.kind !== 'adapter') throw new Error(`draft ${job.draftId} of a job is no adapter`);
  return { model: await handIn(deps, job, completed.version.number) };
}

/** The runner before may have been lost between publishing and saying so. @returns whether there is nothing left to do */
export async function finishPublished(deps: TrainingDeps, job: Job): Promise<boolean> {
  if (!job.draftId) return false;
  const found = await findDraft(deps.db, job.draftId);
  if (found?.draft.completed) {
    await handIn(deps, job, found.draft.completed.number!);
    return true;
  }
  // Not discarded here: with the store away, each runner that asks would take the job and lose it.
  await expireDraft(deps.db, job.draftId, deps.now());
  await under(deps, job.leaseId!, async () => ({ draftId: null }));
  return false;
}

const modelOf = ({ target }: Job, number: number): string => `${target}@v${number}`;

async function handIn(deps: TrainingDeps, job: Job, number: number): Promise<string> {
  const { db, now } = deps;
  const model = modelOf(job, number);
  await under(deps, job.leaseId!, async (current, tx) => {
    await note(tx, current.id, `Verifying the new model: ${model}`);
    return {
      ...(await enterTraining(tx, current, current.trainedTokens ?? 0, now())),
      status: 'running',
      submitted: number,
      estimatedFinish: null,
      leaseExpiresAt: null,
      pausing: false,
    };
  });
  // The verdict may have come before anybody knew that it is this job's.
  const version = (await findSubmitted(db, job.target, number))!;
  if (version.status !== 'pending')
    await settleJobs(db, version, (await latestVerdict(db, version))?.problems ?? [], now());
  return model;
}

/** Ends the jobs that became this version, as the gate decided. */
export async function settleJobs(
  db: Database,
  version: Version,
  problems: readonly GateProblem[],
  now: Date,
): Promise<void> {
  for (const id of await submittedJobs(db, version))
    await changeJob(db, id, async (job, tx) => {
      if (isOver(job)) return undefined;
      count('patchbay_jobs_ended_total', 1, {
        status: version.status === 'passed' ? 'succeeded' : 'failed',
      });
      return version.status === 'passed' ? succeeded(tx, job, now) : refused(tx, job, problems, now);
    });
}

async function succeeded(tx: Database, job: Job, now: Date): Promise<JobChange> {
  const model = modelOf(job, job.submitted!);
  await note(tx, job.id, `New fine-tuned model created: ${model}`);
  await note(tx, job.id, 'The job has successfully completed');
  return { status: 'succeeded', fineTunedModel: model, finishedAt: now };
}

async function refused(
  tx: Database,
  job: Job,
  problems: readonly GateProblem[],
  now: Date,
): Promise<JobChange> {
  const reasons = problems.map(({ detail }) => detail).join(' ');
  const message = `The new model did not pass its verification. ${reasons}`.trim();
  await note(tx, job.id, message, 'error');
  return { status: 'failed', error: { code: 'refused', message, param: null }, finishedAt: now };
}

function targetOf({ target }: Job): { owner: string; name: string } {
  const [owner = '', name = ''] = target.split('/');
  return { owner, name };
}

/** Publishing is done in the name of the job's owner. */
function ownerOf(job: Job): Principal {
  return {
    userId: job.userId,
    owner: targetOf(job).owner,
    keyId: job.id,
    scopes: new Set(['publish']),
    roles: new Map(),
    only: undefined,
    expiresAt: undefined,
  };
}
