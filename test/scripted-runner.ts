/** A runner that does by hand what it is told, over HTTP as a real one: for tests of what the API makes of it. */
import { createHash } from 'node:crypto';
import type { AdapterFiles } from '../adapter/sample-adapter.ts';
import { findJob, isOver } from '../db/training.ts';
import { HeartbeatAnswer, ResultAnswer, ResultUploads, TrainLease, UploadUrls } from '../functions/train.ts';
import { declare, type Files, type InProcess, runnerToken } from './in-process.ts';

export class ScriptedRunner {
  private readonly api: InProcess;
  readonly name: string;
  lease: TrainLease | undefined;
  private sequence = 0;

  constructor(api: InProcess, name = 'scripted') {
    this.api = api;
    this.name = name;
  }

  /** @param path of /api/runner */
  post(path: string, body: unknown = {}): Promise<Response> {
    return this.api.call('POST', `/api/runner/${path}`, body, runnerToken);
  }

  private at(path: string): string {
    if (!this.lease) throw new Error('no lease');
    return `leases/${this.lease.leaseId}/${path}`;
  }

  private async must(path: string, body?: unknown): Promise<unknown> {
    const response = await this.post(this.at(path), body);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.status === 204 ? undefined : response.json();
  }

  /** @returns undefined: nothing waits */
  async take(): Promise<TrainLease | undefined> {
    const response = await this.post('leases', { runner: this.name });
    this.sequence = 0;
    this.lease = response.status === 204 ? undefined : TrainLease.parse(await response.json());
    return this.lease;
  }

  async heartbeat(body: object = {}): Promise<HeartbeatAnswer['action']> {
    return HeartbeatAnswer.parse(await this.must('heartbeat', body)).action;
  }

  async validated(): Promise<void> {
    const decided = { n_epochs: 3, batch_size: 4, learning_rate_multiplier: 1 };
    await this.must('validated', { decided, totalSteps: 30 });
  }

  async metrics(step: number, train_loss: number, sequence = this.sequence++): Promise<void> {
    const event = { type: 'metrics', sequence, step, message: `Step ${step}`, data: { train_loss } };
    await this.must('events', { events: [event] });
  }

  async say(message: string, sequence = this.sequence++): Promise<void> {
    await this.must('events', { events: [{ type: 'message', sequence, message }] });
  }

  async declareCheckpoint(step: number, files: Files): Promise<UploadUrls> {
    return UploadUrls.parse(await this.must('checkpoints', { step, files: declare(files) }));
  }

  async keepCheckpoint(step: number, trainedTokens = 0): Promise<void> {
    const metrics = { train_loss: 1, train_mean_token_accuracy: 0.5 };
    await this.must(`checkpoints/${step}`, { ...metrics, trainedTokens });
  }

  /** @param adapter what the job is by then */
  async checkpoint(
    step: number,
    state = `state at ${step}`,
    adapter?: AdapterFiles,
    trainedTokens = 0,
  ): Promise<void> {
    const files: Files = { 'job.safetensors': state, ...(adapter ? filesOf(adapter) : {}) };
    for (const { path, url } of (await this.declareCheckpoint(step, files)).files)
      await put(url, files[path]!);
    await this.keepCheckpoint(step, trainedTokens);
  }

  /** Declares and sends the adapter's files. */
  async deliver(
    adapter: AdapterFiles,
    receipt: Record<string, unknown> = { engine: 'scripted' },
  ): Promise<void> {
    const files = filesOf(adapter);
    const body = { files: declare(files), receipt, trainedTokens: 1234 };
    const uploads = ResultUploads.parse(await this.must('result', body));
    for (const { path, partSize, parts } of uploads.files) {
      const content = new Uint8Array(Buffer.from(files[path] as string | Uint8Array));
      for (const { number, url, done } of parts ?? [])
        if (!done) await put(url!, content.slice((number - 1) * partSize!, number * partSize!));
    }
  }

  /** @returns once the publish gate has ended the job */
  async complete(): Promise<string> {
    const { model } = ResultAnswer.parse(await this.must('result/complete'));
    while (!isOver((await findJob(this.api.deps.db, this.lease!.jobId))!))
      await new Promise((resolve) => setTimeout(resolve, 10));
    return model;
  }

  async publish(adapter: AdapterFiles): Promise<string> {
    await this.deliver(adapter);
    return this.complete();
  }

  async fail(code: string, message: string, param: string | null = null): Promise<void> {
    await this.must('failed', { code, message, param });
  }

  /** @param notKept why it has no checkpoint of what it did */
  async release(notKept?: string): Promise<void> {
    await this.must('release', { notKept });
  }
}

const filesOf = ({ config, weights }: AdapterFiles): Files => ({
  'adapter_config.json': config,
  'adapter_model.safetensors': weights,
});

async function put(url: string, body: string | Uint8Array<ArrayBuffer>): Promise<void> {
  const response = await fetch(url, { method: 'PUT', body });
  if (!response.ok) throw new Error(`PUT: ${response.status} ${await response.text()}`);
}

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
