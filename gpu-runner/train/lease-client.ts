/** The runner's side of functions/train.ts: every call under a lease. */
import {
  type DeclaredCheckpoint,
  type DeclaredResult,
  type Heartbeat,
  HeartbeatAnswer,
  type JobFailure,
  type KeptCheckpoint,
  ResultAnswer,
  ResultUploads,
  type TrainEvent,
  TrainLease,
  type TrainRelease,
  UploadUrls,
  type Validated,
} from '../../functions/train.ts';
import { secondsSince } from '../../observe/metrics.ts';
import { gigabytes, LeaseRefused, put, type RunnerApi, Unreachable } from '../runner-api.ts';

/** A store, or an API, that could not be reached is away, and comes back; one that was tried for so long is too slow for what it got. */
const TOO_LONG_SECONDS = 60;
const CONFLICT = 409;

/** Of files, by their paths. */
type Bytes = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

/** It took too long. Whoever trains the same steps again may well come to the same end. */
export class CheckpointNotKept extends Error {
  override readonly name = 'CheckpointNotKept';
}

export class LeaseClient {
  private readonly api: RunnerApi;
  private readonly runner: string;

  /** @param runner its name */
  constructor(api: RunnerApi, runner: string) {
    this.api = api;
    this.runner = runner;
  }

  /** @returns undefined when there is nothing to do */
  async acquire(signal: AbortSignal): Promise<TrainLease | undefined> {
    const lease = await this.api.post('leases', { runner: this.runner }, signal);
    return lease === undefined ? undefined : TrainLease.parse(lease);
  }

  async heartbeat(lease: string, beat: Heartbeat): Promise<HeartbeatAnswer['action']> {
    return HeartbeatAnswer.parse(await this.call(`/${lease}/heartbeat`, beat)).action;
  }

  async validated(lease: string, validated: Validated): Promise<void> {
    await this.call(`/${lease}/validated`, validated);
  }

  async events(lease: string, events: readonly TrainEvent[]): Promise<HeartbeatAnswer['action']> {
    return HeartbeatAnswer.parse(await this.call(`/${lease}/events`, { events })).action;
  }

  async checkpoint(
    lease: string,
    declared: DeclaredCheckpoint,
    bytes: Bytes,
    kept: KeptCheckpoint,
  ): Promise<void> {
    const began = performance.now();
    const size = sizeOf(declared.files);
    try {
      const { files } = UploadUrls.parse(await this.call(`/${lease}/checkpoints`, declared));
      for (const { path, url } of files) await put(url, bytes.get(path)!);
      await this.call(`/${lease}/checkpoints/${declared.step}`, kept, size);
    } catch (error) {
      const seconds = Math.round(secondsSince(began));
      if (!(error instanceof Unreachable) || seconds < TOO_LONG_SECONDS) throw error;
      const message = `the checkpoint of step ${declared.step}, ${gigabytes(size)}, was not kept within ${seconds} s`;
      throw new CheckpointNotKept(message, { cause: error });
    }
  }

  /** @returns the name of the model that the job became */
  async result(lease: string, declared: DeclaredResult, bytes: Bytes): Promise<string> {
    const size = sizeOf(declared.files);
    await this.send(lease, declared, bytes);
    for (;;) {
      try {
        return ResultAnswer.parse(await this.call(`/${lease}/result/complete`, {}, size)).model;
      } catch (error) {
        // Parts that the store has lost since are sent again; where there are none, something else is in the way.
        const isConflict = error instanceof LeaseRefused && error.status === CONFLICT;
        if (!isConflict || !(await this.send(lease, declared, bytes))) throw error;
      }
    }
  }

  /** Parts that have not arrived. @returns whether there were any */
  private async send(lease: string, declared: DeclaredResult, bytes: Bytes): Promise<boolean> {
    const { files } = ResultUploads.parse(await this.call(`/${lease}/result`, declared));
    let isSent = false;
    for (const { path, partSize, parts } of files) {
      for (const { number, done, url } of parts ?? []) {
        if (done || !url || !partSize) continue;
        await put(url, bytes.get(path)!.slice((number - 1) * partSize, number * partSize));
        isSent = true;
      }
    }
    return isSent;
  }

  async failed(lease: string, failure: JobFailure): Promise<void> {
    await this.call(`/${lease}/failed`, failure);
  }

  async release(lease: string, release: TrainRelease = {}): Promise<void> {
    await this.call(`/${lease}/release`, release);
  }

  /** @param bytes that the API reads before it answers */
  private call(path: string, body?: unknown, bytes?: number): Promise<unknown> {
    return this.api.post(`leases${path}`, body, undefined, bytes);
  }
}

const sizeOf = (files: DeclaredCheckpoint['files']) => files.reduce((sum, { size }) => sum + size, 0);
