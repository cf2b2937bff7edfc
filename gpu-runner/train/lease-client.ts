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
  UploadUrls,
  type Validated,
} from '../../functions/train.ts';
import { put, type RunnerApi } from '../runner-api.ts';

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
    bytes: ReadonlyMap<string, Uint8Array<ArrayBuffer>>,
    kept: KeptCheckpoint,
  ): Promise<void> {
    const { files } = UploadUrls.parse(await this.call(`/${lease}/checkpoints`, declared));
    for (const { path, url } of files) await put(url, bytes.get(path)!);
    await this.call(`/${lease}/checkpoints/${declared.step}`, kept);
  }

  /** @returns the name of the model that the job became */
  async result(
    lease: string,
    declared: DeclaredResult,
    bytes: ReadonlyMap<string, Uint8Array<ArrayBuffer>>,
  ): Promise<string> {
    const { files } = ResultUploads.parse(await this.call(`/${lease}/result`, declared));
    for (const { path, partSize, parts } of files) {
      for (const { number, done, url } of parts ?? []) {
        if (done || !url || !partSize) continue;
        await put(url, bytes.get(path)!.slice((number - 1) * partSize, number * partSize));
      }
    }
    return ResultAnswer.parse(await this.call(`/${lease}/result/complete`)).model;
  }

  async failed(lease: string, failure: JobFailure): Promise<void> {
    await this.call(`/${lease}/failed`, failure);
  }

  async release(lease: string): Promise<void> {
    await this.call(`/${lease}/release`);
  }

  private call(path: string, body?: unknown): Promise<unknown> {
    return this.api.post(`leases${path}`, body);
  }
}
