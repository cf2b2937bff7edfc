/** Takes training jobs from the API and works on them, several at a time, until it is stopped. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SpanKind } from '@opentelemetry/api';
import type { Logger } from 'pino';
import { invoke } from '../../functions/definition.ts';
import {
  type JobFailure,
  PROGRESS_FILE,
  type TrainLease,
  type TrainOutcome,
  train as trainFunction,
} from '../../functions/train.ts';
import { count, gaugeOf } from '../../observe/metrics.ts';
import { contextFrom, inSpan } from '../../observe/trace.ts';
import type { TrainRunnerConfig } from '../config.ts';
import type { Downloads } from '../downloads.ts';
import { endHung } from '../end-hung.ts';
import { Fault } from '../faults.ts';
import { isOwnTrouble, Rest } from '../own-trouble.ts';
import { LeaseEnded, LeaseRefused, type RunnerApi } from '../runner-api.ts';
import { FetchedCheckpoint } from './fetched-checkpoint.ts';
import { CheckpointNotKept, LeaseClient } from './lease-client.ts';
import { LeaseReporter } from './lease-reporter.ts';
import { type AdapterFiles, conditionsBefore, declared, LeasedJob } from './leased-job.ts';
import { Preparation, type PreparedJob, type Tell } from './prepare.ts';
import { JobRefusal, withinMemory } from './refusal.ts';
import { adapterFiles, receiptOf } from './result.ts';
import { Samples } from './samples.ts';
import { needsOf, type TrainerPool } from './trainer-pool.ts';

/** How soon an idle runner asks again. */
const IDLE_MS = 1_000;
/** How soon one asks again that was not answered. */
const UNREACHABLE_MS = 2_000;
/** A job whose time is over ends with its step, and keeps a checkpoint; one that does not within so long hangs. */
const ENDING_SECONDS = 1800;

export class TrainRunner {
  private readonly config: TrainRunnerConfig;
  private readonly log: Logger;
  private readonly client: LeaseClient;
  private readonly preparation: Preparation;
  private readonly pool: TrainerPool;
  private readonly jobs = new Set<Promise<void>>();
  private readonly rest = new Rest();

  constructor(
    config: TrainRunnerConfig,
    api: RunnerApi,
    downloads: Downloads,
    pool: TrainerPool,
    log: Logger,
  ) {
    this.config = config;
    this.log = log;
    this.client = new LeaseClient(api, config.name);
    this.preparation = new Preparation(downloads, config);
    this.pool = pool;
    gaugeOf('patchbay_training_jobs', (result) => result.observe(this.jobs.size));
  }

  /** Resolves when all jobs are given back: each keeps a checkpoint first. */
  async run(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      const takes = this.rest.left === 0 && this.jobs.size < this.config.maxJobs;
      const wait = takes ? await this.take(stop) : IDLE_MS;
      await sleep(wait, undefined, { signal: stop }).catch(() => undefined);
    }
    await Promise.all(this.jobs);
  }

  /** @returns how long to wait before the next one */
  private async take(stop: AbortSignal): Promise<number> {
    try {
      const lease = await this.client.acquire(stop);
      if (!lease) return IDLE_MS;
      const working = inSpan('train', { 'patchbay.job': lease.jobId }, () => this.invoke(lease, stop), {
        parent: contextFrom(lease.traceparent),
        kind: SpanKind.CONSUMER,
      });
      const job = working.finally(() => this.jobs.delete(job));
      this.jobs.add(job);
      return 0;
    } catch (error) {
      if (stop.aborted) return 0;
      this.log.error({ error: (error as Error).message }, 'no job could be asked for');
      return UNREACHABLE_MS;
    }
  }

  private async invoke(lease: TrainLease, stop: AbortSignal): Promise<void> {
    const outcome = await invoke(trainFunction, lease, { train: (one) => this.work(one, stop) });
    count('patchbay_training_jobs_left_total', 1, { outcome });
  }

  private async work(lease: TrainLease, stop: AbortSignal): Promise<TrainOutcome> {
    const log = this.log.child({ job: lease.jobId });
    log.info({ lease: lease.leaseId, checkpoint: lease.checkpoint?.step }, 'took a job');
    await using reporter = new LeaseReporter(this.client, lease.leaseId, lease.heartbeatSeconds);
    const leave = AbortSignal.any([stop, reporter.recalled]);
    try {
      const model = await this.train(lease, reporter, leave);
      this.rest.over();
      if (!model) return await this.leave(lease, reporter, stop, log);
      log.info({ model }, 'finished a job');
      return 'finished';
    } catch (error) {
      return this.giveUp(lease, reporter, reporter.failure ?? error, stop, log);
    }
  }

  /** @returns the model that it became; undefined: it is to leave before its end */
  private async train(
    lease: TrainLease,
    reporter: LeaseReporter,
    leave: AbortSignal,
  ): Promise<string | undefined> {
    using held = new DisposableStack();
    const tell: Tell = (message, level, data) => {
      if (!lease.validated) reporter.message(message, level, data); // whoever validated it said so
    };
    await using checkpoint = lease.checkpoint && (await this.fetchCheckpoint(lease, lease.checkpoint, leave));
    const before = checkpoint && conditionsBefore(await checkpoint.file(PROGRESS_FILE));
    const prepared = await this.preparation.prepare(lease, held, { tell, signal: leave, before });
    return await withinMemory(prepared.memory, () =>
      this.trainPrepared(lease, prepared, checkpoint, reporter, leave),
    );
  }

  private async trainPrepared(
    lease: TrainLease,
    prepared: PreparedJob,
    checkpoint: FetchedCheckpoint | undefined,
    reporter: LeaseReporter,
    leave: AbortSignal,
  ): Promise<string | undefined> {
    const { plan, data, engine } = prepared;
    await using trainer = await this.pool.hold(needsOf(prepared), leave, () =>
      reporter.message('Waits for memory: others fill this runner. The job goes on when they leave enough.'),
    );
    await using samples = await this.samples(lease, prepared);
    leave.throwIfAborted();
    const filesOf: AdapterFiles = (weights, facts) => adapterFiles(lease, prepared, weights, facts, false);
    const { client } = this;
    const { leaseId } = lease;
    const maxSeconds = trainFunction.needs.timeoutSeconds;
    const parts = { leaseId, plan, data, engine, ...trainer, client, reporter, samples, filesOf, maxSeconds };
    const job = new LeasedJob(parts);
    if (checkpoint) job.restore(await checkpoint.read());
    using _watch = this.watch(lease, job);
    if (!lease.validated) await this.validated(lease, prepared, await job.tokensPerSecond(), reporter);
    return (await job.run(leave)) ? this.publish(lease, prepared, job) : undefined;
  }

  /** Ends the process of a job that hangs: the others go on from their checkpoints. */
  private watch({ jobId }: TrainLease, { secondsLeft }: LeasedJob): Disposable {
    const end = () => endHung(this.log, `job ${jobId} is not over, though its time is.`);
    const timer = setTimeout(end, 1000 * (Math.max(0, secondsLeft) + ENDING_SECONDS));
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }

  /** Gives the job back as it stands. @throws LeaseEnded, LeaseRefused, Unreachable */
  private async leave(
    lease: TrainLease,
    reporter: LeaseReporter,
    stop: AbortSignal,
    log: Logger,
  ): Promise<TrainOutcome> {
    const isCancelled = reporter.action === 'cancel';
    if (!isCancelled) {
      await reporter.flush();
      await this.client.release(lease.leaseId);
    }
    const outcome = isCancelled ? 'cancelled' : stop.aborted ? 'released' : 'paused';
    log.info({ outcome }, 'left a job');
    return outcome;
  }

  private async samples(lease: TrainLease, { checkpoint, template }: PreparedJob) {
    const prompts = lease.hyperparameters.sample_prompts ?? [];
    if (prompts.length === 0) return undefined;
    const { threads, cacheFolder } = this.config;
    const workFolder = join(cacheFolder, 'samples', lease.leaseId);
    return Samples.open({
      folder: checkpoint.folder,
      prompts,
      hasTemplate: template !== null,
      threads,
      workFolder,
    });
  }

  private async validated(
    lease: TrainLease,
    { decided, plan, passTokens }: PreparedJob,
    tokensPerSecond: number,
    reporter: LeaseReporter,
  ) {
    const seconds = passTokens / tokensPerSecond;
    const { timeoutSeconds } = trainFunction.needs;
    for (const reason of decided.reasons) reporter.message(reason);
    reporter.message(
      `${plan.steps} steps: about ${inWords(seconds)}, as long as nobody else trains here`,
      'info',
      {
        total_steps: plan.steps,
        estimated_seconds: Math.round(seconds),
      },
    );
    if (seconds > timeoutSeconds)
      reporter.message(
        `That is longer than a job may take: it ends after ${inWords(timeoutSeconds)}, with a checkpoint. With fewer epochs or rows it takes less.`,
        'warn',
      );
    await reporter.flush();
    await this.client.validated(lease.leaseId, {
      decided: {
        n_epochs: decided.epochs,
        batch_size: decided.batchSize,
        learning_rate_multiplier: decided.multiplier,
      },
      totalSteps: plan.steps,
      estimatedFinish: new Date(Date.now() + 1000 * seconds).toISOString(),
    });
  }

  private async publish(lease: TrainLease, prepared: PreparedJob, job: LeasedJob): Promise<string> {
    const files = adapterFiles(lease, prepared, job.weights, job.facts, true);
    const receipt = receiptOf(lease, prepared, job.facts);
    const result = { files: declared(files), receipt, trainedTokens: job.facts.trained_tokens };
    return this.client.result(lease.leaseId, result, files);
  }

  private fetchCheckpoint(
    { leaseId }: TrainLease,
    { step, files }: NonNullable<TrainLease['checkpoint']>,
    signal: AbortSignal,
  ): Promise<FetchedCheckpoint> {
    const folder = join(this.config.cacheFolder, 'checkpoints', `${leaseId}-${step}`);
    return FetchedCheckpoint.fetch(files, folder, signal);
  }

  /** A runner that is to leave, or in trouble itself, gives the job back; anything else is the job's, and its owner is told. */
  private async giveUp(
    lease: TrainLease,
    reporter: LeaseReporter,
    error: unknown,
    stop: AbortSignal,
    log: Logger,
  ): Promise<TrainOutcome> {
    try {
      if (error instanceof LeaseEnded) throw error;
      const isRefused = error instanceof JobRefusal || error instanceof LeaseRefused;
      if (!isRefused && (stop.aborted || reporter.recalled.aborted))
        return await this.leave(lease, reporter, stop, log);
      const isNotKept = error instanceof CheckpointNotKept;
      if (isNotKept || isOwnTrouble(error)) {
        this.rest.begin();
        log.error({ error: (error as Error).stack, restMs: Math.round(this.rest.left) }, 'gives a job back');
        await this.client.release(lease.leaseId, isNotKept ? { notKept: error.message } : {});
        return 'released';
      }
      await reporter.flush();
      const failure = failureOf(error);
      if (failure.code === 'server_error') log.error({ error: (error as Error).stack }, 'a job failed');
      await this.client.failed(lease.leaseId, failure);
      return 'failed';
    } catch (second) {
      const { message } = second as Error;
      if (second instanceof LeaseEnded) log.warn({ reason: message }, 'lost a job');
      // Its lease runs out, and it goes on from its last checkpoint.
      else log.error({ error: message }, 'left a job without a word');
      return 'lost';
    }
  }
}

function inWords(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}

function failureOf(error: unknown): JobFailure {
  if (error instanceof JobRefusal) return error.failure;
  if (error instanceof LeaseRefused) return { code: 'refused', param: null, message: error.message };
  if (error instanceof Fault && error.status === 502)
    return { code: 'files_unavailable', param: error.field ?? null, message: error.message };
  return {
    code: 'server_error',
    param: null,
    message: 'The runner failed; its operator finds the reason in its log.',
  };
}
