/**
 * The publish gate: a version is listed once a runner has looked at it and found nothing wrong. Whatever it says is signed
 * and kept, and a version that is listed already is looked at again when the rules change.
 */
import { changeStatus, filesOfVersion, findSubmitted, keepEvaluation, type Version } from '../db/adapters.ts';
import { filesOfBase, findBase } from '../db/bases.ts';
import type { Database } from '../db/open.ts';
import type { VersionStatus } from '../db/schema.ts';
import {
  latestVerdict,
  leaseNextVerification,
  requestVerification,
  underVerification,
  type Verification,
} from '../db/verifications.ts';
import { HEARTBEAT_SECONDS, LEASE_SECONDS } from '../functions/train.ts';
import { type Findings, RULES, type Verdict, type VerifyLease, verify } from '../functions/verify.ts';
import { count } from '../observe/metrics.ts';
import { toStorable } from './content.ts';
import { ApiError } from './errors.ts';
import { adapterSource, baseSource, fileSource } from './invoke.ts';
import { expiry, leaseOver } from './job-lease.ts';
import { settleJobs } from './results.ts';
import type { Signer } from './signer.ts';
import { adapterFacts, type PublishDeps } from './versions.ts';

export interface VerifyDeps extends PublishDeps {
  readonly signer: Signer;
}

const EVALUATION_FILE = 'eval.jsonl';

/** @returns undefined: nothing waits */
export async function takeVerification(deps: VerifyDeps, runner: string): Promise<VerifyLease | undefined> {
  for (;;) {
    const lease = { id: crypto.randomUUID(), runner, expiresAt: expiry(deps) };
    const taken = await leaseNextVerification(deps.db, lease, deps.now());
    if (!taken) return undefined;
    if (taken.losses <= verify.needs.retries) return describe(deps, taken);
    const detail = `${taken.losses} runners in a row failed, or went silent, while they looked at it.`;
    await decide(deps, lease.id, { problems: [{ code: 'runner_lost', detail }], findings: NOTHING });
  }
}

const NOTHING: Verdict['findings'] = { notes: [], spectrum: [], advice: [] };

async function describe(deps: VerifyDeps, verification: Verification): Promise<VerifyLease> {
  const { adapterId, number, leaseId } = verification;
  const version = (await findSubmitted(deps.db, adapterId, number))!;
  const base = await findBase(deps.db, version.baseId);
  if (!base) throw new Error(`base ${version.baseId} of a version is missing`);
  const files = await filesOfVersion(deps.db, adapterId, number);
  const own = files.find(({ path }) => path === EVALUATION_FILE);
  const standard = (await filesOfBase(deps.db, base.id)).find(({ path }) => path === EVALUATION_FILE);
  const rows = own ?? standard;
  return {
    leaseId: leaseId!,
    ...(verification.traceparent ? { traceparent: verification.traceparent } : {}),
    version: `${adapterId}@${number}`,
    base: await baseSource(deps, base),
    adapter: await adapterSource(deps, version),
    ...(rows
      ? { evaluation: { file: await fileSource(deps.blobs, rows), of: own ? 'publisher' : 'base' } }
      : {}),
    heartbeatSeconds: HEARTBEAT_SECONDS,
  };
}

/** @throws ApiError conflict: the lease is over */
export async function renewVerification(deps: VerifyDeps, leaseId: string): Promise<void> {
  await under(deps, leaseId, async () => ({ leaseExpiresAt: expiry(deps) }));
}

/** Gives it back to the queue. @throws ApiError conflict: the lease is over */
export async function releaseVerification(deps: VerifyDeps, leaseId: string, failed: boolean): Promise<void> {
  await under(deps, leaseId, async ({ losses }) => ({
    status: 'waiting',
    waitingSince: deps.now(),
    leaseExpiresAt: null,
    losses: losses + (failed ? 1 : 0),
  }));
}

/** Takes in what a runner found: lists the version or refuses it, and signs why. @throws ApiError conflict: the lease is over */
export async function decide(deps: VerifyDeps, leaseId: string, verdict: Verdict): Promise<void> {
  const problems = toStorable(verdict.problems);
  const findings = toStorable(verdict.findings);
  const status = problems.length > 0 ? 'refused' : 'passed';
  await under(deps, leaseId, async ({ adapterId, number, rules }, tx) => {
    const submitted = (await findSubmitted(tx, adapterId, number))!;
    const version = await keepEvaluation(tx, submitted, evaluationOf(verdict), adapterFacts);
    const checkedAt = deps.now();
    const record = await deps.signer.sign({
      ...(await subjectOf(tx, version)),
      rules,
      verdict: status,
      problems,
      findings: { ...findings, spectrum: undefined }, // that follows from the files
      iat: Math.floor(checkedAt.getTime() / 1000),
    });
    const next = statusAfter(version.status, status);
    const changed =
      next === version.status ? version : await changeStatus(tx, version, next, null, adapterFacts);
    await settleJobs(tx, changed, problems, checkedAt);
    return { status, finishedAt: checkedAt, leaseExpiresAt: null, problems, findings, record };
  });
  count('patchbay_verdicts_total', 1, { verdict: status });
}

/** Decides on a version that was verified elsewhere, by whoever ships it with this server. */
export async function decideShipped(deps: VerifyDeps, version: Version, verdict: Verdict): Promise<void> {
  const lease = { id: crypto.randomUUID(), runner: 'shipped', expiresAt: expiry(deps) };
  const taken = await leaseNextVerification(deps.db, lease, deps.now(), version);
  if (taken) return decide(deps, lease.id, verdict);
  // A runner was faster. What it says, and what became of the version since, its page tells.
  await awaitVerdict(deps, version, LEASE_SECONDS).catch((error: unknown) => {
    if (!(error instanceof ApiError)) throw error;
  });
}

function evaluationOf({ findings: { evaluation } }: Verdict) {
  return {
    evalGain: evaluation ? -evaluation.lossDifference.value : null,
    evaluation: evaluation ? summaryOf(evaluation) : null,
    evaluatedOn: evaluation?.of ?? null,
  };
}

/** The gain is how much lower the loss is: its bounds change places. */
const summaryOf = ({ rows, lossDifference, accuracy }: NonNullable<Findings['evaluation']>) => ({
  rows,
  gain: { low: -lossDifference.high, high: -lossDifference.low },
  accuracy: { base: accuracy.base.value, adapter: accuracy.adapter.value },
});

/** What is taken off the list by hand stays off, whatever a runner says; what was listed and fails is put aside. */
function statusAfter(before: VersionStatus, verdict: 'passed' | 'refused'): VersionStatus {
  if (before === 'pending') return verdict;
  return before === 'passed' && verdict === 'refused' ? 'quarantined' : before;
}

/** Exactly what was looked at. */
async function subjectOf(tx: Database, { adapterId, number, digest, baseId }: Version) {
  const base = await findBase(tx, baseId);
  const files = await filesOfVersion(tx, adapterId, number);
  return { sub: `${adapterId}@${number}`, digest, base: { id: baseId, digest: base!.digest }, files };
}

async function under(
  deps: VerifyDeps,
  leaseId: string,
  work: Parameters<typeof underVerification>[3],
): Promise<void> {
  if (!(await underVerification(deps.db, leaseId, deps.now(), work))) throw leaseOver(leaseId);
}

const FIRST_LOOK_MS = 20;
const LONGEST_WAIT_MS = 500;

/**
 * Waits until the gate has decided, but no longer than a client does; nor when this server is to stop, because the gate's runner may
 * be waiting for the next one.
 * @returns the version as it is then, which may still be pending
 * @throws ApiError refused, with every reason
 */
export async function awaitVerdict(
  deps: Pick<PublishDeps, 'db' | 'now' | 'stopping'>,
  version: Version,
  seconds: number,
): Promise<Version> {
  const deadline = deps.now().getTime() + seconds * 1000;
  const isInTime = () => deps.now().getTime() < deadline && !deps.stopping?.aborted;
  let seen = version;
  for (let wait = FIRST_LOOK_MS; seen.status === 'pending' && isInTime(); wait *= 2) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(wait, LONGEST_WAIT_MS)));
    seen = (await findSubmitted(deps.db, seen.adapterId, seen.number))!;
  }
  if (seen.status === 'passed' || seen.status === 'pending') return seen;
  const reference = `${seen.adapterId}@${seen.number}`;
  if (seen.status === 'quarantined')
    throw new ApiError('conflict', `${reference} has this content, and was taken off the list.`);
  const problems = (await latestVerdict(deps.db, seen))?.problems ?? [];
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  const reason = problems[0]?.detail ?? '';
  throw new ApiError('refused', `${reference} did not pass the publish gate. ${reason}${more}`, { problems });
}

/** Has a version verified again; one that is not listed may be listed then. */
export function verifyAgain(
  { db }: Pick<PublishDeps, 'db'>,
  version: Version,
  actor: string,
): Promise<Version> {
  return db.transaction(async (tx) => {
    const isWanted = version.status === 'passed' || version.status === 'pending';
    const wanted = isWanted ? version : await changeStatus(tx, version, 'pending', actor, adapterFacts);
    await requestVerification(tx, wanted, RULES);
    return wanted;
  });
}

/** Takes a version off the list, until it is published again. */
export function withdraw({ db }: Pick<PublishDeps, 'db'>, version: Version, actor: string): Promise<Version> {
  return db.transaction((tx) => changeStatus(tx, version, 'withdrawn', actor, adapterFacts));
}

/** Takes a version off the list, where it stays until it is verified again. */
export function quarantine(
  { db }: Pick<PublishDeps, 'db'>,
  version: Version,
  actor: string,
): Promise<Version> {
  return db.transaction((tx) => changeStatus(tx, version, 'quarantined', actor, adapterFacts));
}
