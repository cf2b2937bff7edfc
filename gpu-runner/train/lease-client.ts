/** The runner's side of functions/train.ts: every call under a lease, repeated where the network failed. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type CheckpointMetrics,
  type DeclaredCheckpoint,
  type DeclaredResult,
  type Heartbeat,
  HeartbeatAnswer,
  type JobFailure,
  ResultAnswer,
  ResultUploads,
  type TrainEvent,
  TrainLease,
  UploadUrls,
  type Validated,
} from '../../functions/train.ts';

const ATTEMPTS = 6;
const FIRST_DELAY_MS = 250;
const TIMEOUT_MS = 60_000;

/** The job belongs to somebody else now, or to nobody: whatever was under way is dropped. */
export class LeaseEnded extends Error {
  override readonly name = 'LeaseEnded';
}

/** Neither an answer nor a refusal came, however often it was tried. The lease may live, or be over. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

/** The API refuses what it was sent: to ask again would change nothing. */
export class LeaseRefused extends Error {
  override readonly name = 'LeaseRefused';
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}

export class LeaseClient {
  private readonly url: string;
  private readonly token: string;
  private readonly runner: string;

  constructor({ url, token, runner }: { url: string; token: string; runner: string }) {
    this.url = url;
    this.token = token;
    this.runner = runner;
  }

  /** @returns undefined when there is nothing to do */
  async acquire(signal: AbortSignal): Promise<TrainLease | undefined> {
    const response = await this.send('', { runner: this.runner }, signal);
    return response.status === 204 ? undefined : TrainLease.parse(await response.json());
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
    metrics: CheckpointMetrics,
  ): Promise<void> {
    const { files } = UploadUrls.parse(await this.call(`/${lease}/checkpoints`, declared));
    for (const { path, url } of files) await put(url, bytes.get(path)!);
    await this.call(`/${lease}/checkpoints/${declared.step}`, metrics);
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
    return ResultAnswer.parse(await this.call(`/${lease}/result/complete`, undefined)).model;
  }

  async failed(lease: string, failure: JobFailure): Promise<void> {
    await this.call(`/${lease}/failed`, failure);
  }

  async release(lease: string): Promise<void> {
    await this.call(`/${lease}/release`, undefined);
  }

  private async call(path: string, body: unknown): Promise<unknown> {
    const response = await this.send(path, body);
    return response.status === 204 ? undefined : response.json();
  }

  /** @throws LeaseEnded, LeaseRefused, Unreachable */
  private send(path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
    return persistently(async () => {
      const timeout = AbortSignal.timeout(TIMEOUT_MS);
      const response = await fetch(`${this.url}/api/runner/leases${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body ?? {}),
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
      if (response.ok) return response;
      const detail = await detailOf(response);
      if (response.status === 409) throw new LeaseEnded(detail);
      if (response.status < 500 && response.status !== 429) throw new LeaseRefused(response.status, detail);
      throw new Error(`the API answered ${response.status}: ${detail}`);
    }, signal);
  }
}

async function put(url: string, body: Uint8Array<ArrayBuffer>): Promise<void> {
  await persistently(async () => {
    const response = await fetch(url, { method: 'PUT', body, signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw new Error(`the object store answered ${response.status}`);
  });
}

/** Tries again, after longer and longer pauses, whatever is not final. */
async function persistently<T>(attempt: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (let failures = 0; ; ) {
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof LeaseEnded || error instanceof LeaseRefused) throw error;
      if (signal?.aborted) throw error;
      if (++failures === ATTEMPTS) throw new Unreachable((error as Error).message, { cause: error });
      await sleep(FIRST_DELAY_MS * 2 ** (failures - 1));
    }
  }
}

async function detailOf(response: Response): Promise<string> {
  const text = await response.text().catch(() => '');
  try {
    const { detail, title } = JSON.parse(text) as { detail?: string; title?: string };
    return detail ?? title ?? text;
  } catch {
    return text.slice(0, 500);
  }
}
