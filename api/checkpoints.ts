/** A checkpoint of a training job becomes a version, as what the job ends in does. */
import type { Version } from '../db/adapters.ts';
import { findCheckpoint, type JobCheckpoint } from '../db/training.ts';
import { requireRole } from './access.ts';
import type { Principal } from './auth.ts';
import type { Content } from './content.ts';
import { ADAPTER_FILES } from './declared-files.ts';
import { ApiError } from './errors.ts';
import { ownJob, type TrainingDeps } from './fine-tuning.ts';
import { checkpointFile } from './invoke.ts';
import { lineageOf } from './results.ts';
import { publishVersion } from './versions.ts';

/**
 * Submits what the job was after that step to the publish gate; the job goes on. Again, it is the same version. There is no receipt:
 * that repeats whole jobs.
 * @throws ApiError not_found, conflict, and what the publish gate's first checks refuse
 */
export async function promoteCheckpoint(
  deps: TrainingDeps,
  principal: Principal,
  jobId: string,
  checkpointId: string,
): Promise<Version> {
  const job = await ownJob(deps, principal, jobId);
  requireRole(principal, job.target, 'write');
  const checkpoint = await findCheckpoint(deps.db, job.id, checkpointId);
  if (!checkpoint?.metrics)
    throw new ApiError('not_found', `The job ${job.id} has no checkpoint ${checkpointId}.`, {
      field: 'checkpoint_id',
    });
  const lineage = { ...(await lineageOf(deps.db, job)), step: checkpoint.step };
  const origin = { target: job.target, baseId: job.baseId, lineage, receipt: null };
  const { version } = await publishVersion(deps, principal, origin, contentsOf(deps, checkpoint));
  return version;
}

/** What the runner declared was compared with what arrived when the checkpoint was kept. */
function contentsOf({ blobs }: TrainingDeps, checkpoint: JobCheckpoint): ReadonlyMap<string, Content> {
  const names = Object.entries(ADAPTER_FILES).map(([name, { required }]) =>
    required ? checkpointFile(checkpoint, name) : checkpoint.files.find(({ path }) => path === name),
  );
  const files = names.filter((file) => file !== undefined);
  return new Map(files.map((file) => [file.path, { ...file, store: blobs }]));
}
