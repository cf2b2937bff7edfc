/** Takes versions from the API and verifies them, one at a time, until it is stopped. */
import type { Logger } from 'pino';
import { invoke } from '../../functions/definition.ts';
import { VerifyLease, verify } from '../../functions/verify.ts';
import { count, observe, secondsSince } from '../../observe/metrics.ts';
import type { TrainRunnerConfig } from '../config.ts';
import type { Downloads } from '../downloads.ts';
import { LeasedWork } from '../leased-work.ts';
import type { RunnerApi } from '../runner-api.ts';
import { KeptBase } from './kept-base.ts';
import { lookAt } from './verification.ts';

/** Resolves when what it was working on is given back. */
export async function runVerifications(
  config: TrainRunnerConfig,
  api: RunnerApi,
  downloads: Downloads,
  log: Logger,
  stop: AbortSignal,
): Promise<void> {
  await using kept = new KeptBase(config, downloads);
  const work = {
    path: 'verifications' as const,
    request: { runner: config.name },
    lease: VerifyLease,
    describe: ({ version }: VerifyLease) => ({ version }),
    functionOf: () => verify,
    beat: () => ({}),
    rest: () => kept.closeIfIdle(),
    left: (outcome: string) => count('patchbay_verifications_total', 1, { outcome }),
    async do(lease: VerifyLease, signal: AbortSignal) {
      const began = performance.now();
      const verdict = await invoke(verify, lease, {
        verify: async () => lookAt(lease, await kept.open(lease.base, signal), downloads, signal),
      });
      kept.used();
      await api.post(`verifications/${lease.leaseId}/verdict`, verdict);
      const outcome = verdict.problems.length > 0 ? 'refused' : 'passed';
      count('patchbay_verifications_total', 1, { outcome });
      observe('patchbay_verification_seconds', secondsSince(began));
      log.info(
        { version: lease.version, problems: verdict.problems.map(({ code }) => code) },
        'verified a version',
      );
    },
  };
  await new LeasedWork(work, api, log).run(stop);
}
