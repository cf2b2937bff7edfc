/** What a runner may do to a job while its lease lives. */
import { underLease } from '../db/leases.ts';
import type { Job, JobChange } from '../db/training.ts';
import { LEASE_OVER, LEASE_SECONDS } from '../functions/train.ts';
import { ApiError } from './errors.ts';
import type { TrainingDeps } from './fine-tuning.ts';

/** Of a lease that is given, or renewed, now. */
export const expiry = ({ now }: Pick<TrainingDeps, 'now'>) =>
  new Date(now().getTime() + LEASE_SECONDS * 1000);

/** @throws ApiError conflict: the lease is over */
export async function under(
  deps: TrainingDeps,
  leaseId: string,
  work: (job: Job, transaction: TrainingDeps['db']) => Promise<JobChange | undefined>,
): Promise<Job> {
  const job = await underLease(deps.db, leaseId, deps.now(), work);
  if (!job) throw leaseOver(leaseId);
  return job;
}

export const leaseOver = (leaseId: string) =>
  new ApiError(LEASE_OVER, `The lease ${leaseId} is over: stop work on its job and ask for another.`);

export interface DeclaredFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

export function sameFiles(some: readonly DeclaredFile[], others: readonly DeclaredFile[]): boolean {
  const text = (files: readonly DeclaredFile[]) =>
    files
      .map(({ path, size, sha256 }) => `${path} ${size} ${sha256}`)
      .sort()
      .join('\n');
  return text(some) === text(others);
}
