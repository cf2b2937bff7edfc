/** Takes versions from the API and verifies them, one at a time, until it is stopped. */
import { setTimeout as sleep } from 'node:timers/promises';
import { SpanKind } from '@opentelemetry/api';
import type { Logger } from 'pino';
import { type Release, type Verdict, VerifyLease } from '../../functions/verify.ts';
import { count, observe, secondsSince } from '../../observe/metrics.ts';
import { contextFrom, inSpan } from '../../observe/trace.ts';
import type { TrainRunnerConfig } from '../config.ts';
import type { Downloads } from '../downloads.ts';
import { isOwnTrouble, Rest } from '../own-trouble.ts';
import { LeaseEnded, type RunnerApi, Unreachable } from '../runner-api.ts';
import { OpenBase } from './open-base.ts';
import { verify } from './verification.ts';

/** How soon an idle runner asks again: somebody who publishes is waiting. */
const IDLE_MS = 500;
/** How soon one asks again that was not answered. */
const UNREACHABLE_MS = 2_000;
/** A base takes memory: one that nobody publishes for is closed. */
const KEEP_BASE_MS = 30_000;

export class VerifyRunner {
  private readonly config: TrainRunnerConfig;
  private readonly api: RunnerApi;
  private readonly downloads: Downloads;
  private readonly log: Logger;
  private base: OpenBase | undefined;
  private usedAt = 0;
  private readonly rest = new Rest();

  constructor(config: TrainRunnerConfig, api: RunnerApi, downloads: Downloads, log: Logger) {
    this.config = config;
    this.api = api;
    this.downloads = downloads;
    this.log = log;
  }

  /** Resolves when what it was working on is given back. */
  async run(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      const wait = this.rest.left === 0 ? await this.next(stop) : IDLE_MS;
      if (Date.now() - this.usedAt > KEEP_BASE_MS) await this.close();
      await sleep(wait, undefined, { signal: stop }).catch(() => undefined);
    }
    await this.close();
  }

  /** @returns how long to wait before the next one */
  private async next(stop: AbortSignal): Promise<number> {
    try {
      const given = await this.api.post('verifications', { runner: this.config.name }, stop);
      if (given === undefined) return IDLE_MS;
      const lease = VerifyLease.parse(given);
      await inSpan('verify', { 'patchbay.version': lease.version }, () => this.work(lease, stop), {
        parent: contextFrom(lease.traceparent),
        kind: SpanKind.CONSUMER,
      });
      return 0;
    } catch (error) {
      if (stop.aborted) return 0;
      this.log.error({ error: (error as Error).message }, 'nothing to verify could be asked for');
      return UNREACHABLE_MS;
    }
  }

  private async work(lease: VerifyLease, stop: AbortSignal): Promise<void> {
    const log = this.log.child({ version: lease.version });
    log.info({ lease: lease.leaseId }, 'took a version');
    const at = `verifications/${lease.leaseId}`;
    const over = new AbortController();
    const beat = () =>
      this.api.post(`${at}/heartbeat`).catch((error: unknown) => {
        if (!(error instanceof Unreachable)) over.abort(error);
      });
    const began = performance.now();
    const ended = (outcome: string) => count('patchbay_verifications_total', 1, { outcome });
    const timer = setInterval(beat, lease.heartbeatSeconds * 1000);
    try {
      const verdict = await this.verdict(lease, AbortSignal.any([stop, over.signal]));
      await this.api.post(`${at}/verdict`, verdict);
      this.rest.over();
      ended(verdict.problems.length > 0 ? 'refused' : 'passed');
      observe('patchbay_verification_seconds', secondsSince(began));
      log.info({ problems: verdict.problems.map(({ code }) => code) }, 'verified a version');
    } catch (error) {
      const isLost = error instanceof LeaseEnded || over.signal.aborted;
      const ours = isOwnTrouble(error);
      ended(isLost ? 'lost' : stop.aborted || ours ? 'given_back' : 'failed');
      if (isLost) return log.warn('lost a version');
      const failed = !stop.aborted && !ours;
      if (ours) this.rest.begin();
      if (failed || ours) log.error({ error: (error as Error).stack }, 'a version could not be verified');
      await this.api.post(`${at}/release`, { failed } satisfies Release).catch(() => undefined); // else its lease runs out
    } finally {
      clearInterval(timer);
      this.usedAt = Date.now();
    }
  }

  private async verdict(lease: VerifyLease, signal: AbortSignal): Promise<Verdict> {
    if (this.base?.digest !== lease.base.digest || !this.base.host.isAlive) {
      await this.close();
      this.base = await OpenBase.open(lease.base, this.downloads, this.config.threads);
    }
    return verify(lease, this.base, this.downloads, signal);
  }

  private async close(): Promise<void> {
    const { base } = this;
    this.base = undefined;
    await base?.[Symbol.asyncDispose]();
  }
}
