/** The API as runners call it: by their token, and again where the network failed. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Response } from 'undici';
import { LEASE_OVER } from '../functions/train.ts';
import { traceHeaders } from '../observe/trace.ts';
import { fetch } from './fetch.ts';

const ATTEMPTS = 6;
const FIRST_DELAY_MS = 250;
const TIMEOUT_MS = 60_000;
const TOO_LARGE = 413;
/** 1 MB/s: what is sent, or has the API read it back, has so much longer. */
const BYTES_PER_MS = 1_000;

/** How long one attempt may take. @param bytes that are sent, or read back meanwhile */
const timeoutFor = (bytes: number) => AbortSignal.timeout(TIMEOUT_MS + Math.ceil(bytes / BYTES_PER_MS));

/** The job belongs to somebody else now, or to nobody: whatever was under way is dropped. */
export class LeaseEnded extends Error {
  override readonly name = 'LeaseEnded';
}

/** Neither an answer nor a refusal came, however often it was tried. The lease may live, or be over. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

/** The API, or the object store, refuses what it was sent: to ask again would change nothing. */
export class LeaseRefused extends Error {
  override readonly name = 'LeaseRefused';
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}

export class RunnerApi {
  private readonly url: string;
  private readonly token: string;
  private answered = false;

  constructor({ url, token }: { url: string; token: string }) {
    this.url = url;
    this.token = token;
  }

  /** Whether it took our token and answered when it was last asked, which an idle runner does every second. */
  get isReachable(): boolean {
    return this.answered;
  }

  /**
   * @param signal ends the attempts, but not one that is under way: a lease that is given must be heard of, to be given back
   * @param bytes that the API reads before it answers
   * @returns undefined where there is nothing to answer. @throws LeaseEnded, LeaseRefused, Unreachable
   */
  post(path: string, body: unknown = {}, signal?: AbortSignal, bytes = 0): Promise<unknown> {
    return persistently(() => this.postOnce(path, body, timeoutFor(bytes)), signal);
  }

  /** The same without a second attempt: for what is said again soon anyway. @throws also what the network throws */
  async postOnce(path: string, body: unknown, signal: AbortSignal): Promise<unknown> {
    const response = await fetch(`${this.url}/api/runner/${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${this.token}`,
        'content-type': 'application/json',
        ...traceHeaders(),
      },
      body: JSON.stringify(body),
      signal,
    }).catch((error: unknown) => {
      this.answered = false;
      throw error;
    });
    this.answered = response.status < 500 && response.status !== 401;
    if (response.ok) return response.status === 204 ? undefined : response.json();
    const { code, detail } = await problemOf(response);
    if (code === LEASE_OVER) throw new LeaseEnded(detail);
    if (response.status < 500 && response.status !== 429) throw new LeaseRefused(response.status, detail);
    throw new Error(`the API answered ${response.status}: ${detail}`);
  }
}

/** Sends a file to where the API said. @throws LeaseRefused for one that is larger than the store takes, Unreachable */
export async function put(url: string, body: Uint8Array<ArrayBuffer>): Promise<void> {
  await persistently(async () => {
    const response = await fetch(url, { method: 'PUT', body, signal: timeoutFor(body.length) });
    if (response.ok) return;
    const answer = await response.text().catch(() => '');
    if (response.status === TOO_LARGE || answer.includes('EntityTooLarge'))
      throw new LeaseRefused(TOO_LARGE, `The object store takes no file of ${gigabytes(body.length)}.`);
    throw new Error(`the object store answered ${response.status}`);
  });
}

export const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;

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

async function problemOf(response: Response): Promise<{ code?: string; detail: string }> {
  const text = await response.text().catch(() => '');
  try {
    const { code, detail, title } = JSON.parse(text) as { code?: string; detail?: string; title?: string };
    return { ...(code ? { code } : {}), detail: detail ?? title ?? text };
  } catch {
    return { detail: text.slice(0, 500) };
  }
}
