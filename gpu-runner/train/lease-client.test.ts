/** How long sending may take, and what is said of a checkpoint for which that was not enough. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LeaseEnded, LeaseRefused, put, RunnerApi, Unreachable } from '../runner-api.ts';
import { CheckpointNotKept, LeaseClient } from './lease-client.ts';

vi.mock('node:timers/promises', () => ({ setTimeout: async () => undefined }));

let server: Server;
let url: string;
/** What the store answers. */
let stored: { status: number; body?: string };
/** Limits of the attempts so far, in milliseconds. */
let limits: number[];
let now: number;

beforeEach(async () => {
  stored = { status: 200 };
  limits = [];
  now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
    limits.push(ms);
    return new AbortController().signal;
  });
  server = createServer((request, response) => {
    request.resume().on('end', () => {
      if (request.method === 'PUT') response.writeHead(stored.status).end(stored.body);
      else if (request.url!.endsWith('/checkpoints'))
        response.end(JSON.stringify({ files: [{ path: 'job.safetensors', url }] }));
      else response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});

afterEach(() => {
  vi.restoreAllMocks();
  server.closeAllConnections();
  server.close();
});

const bytes = new Uint8Array(5_000_000);

function checkpoint(): Promise<void> {
  const client = new LeaseClient(new RunnerApi({ url, token: 'token-of-this-test' }), 'runner');
  const files = [{ path: 'job.safetensors', size: bytes.length, sha256: '0'.repeat(64) }];
  const metrics = {
    trainedTokens: 0,
    train_loss: null,
    train_mean_token_accuracy: null,
    valid_loss: null,
    valid_mean_token_accuracy: null,
    full_valid_loss: null,
    full_valid_mean_token_accuracy: null,
  };
  return client.checkpoint('lease', { step: 7, files }, new Map([['job.safetensors', bytes]]), metrics);
}

describe('a checkpoint', () => {
  it('has the longer to arrive, and to be read back, the larger it is', async () => {
    await checkpoint();
    expect(limits).toEqual([60_000, 65_000, 65_000]); // declared, sent, read back
  });

  it('for which the store took too long is told with its size and the time', async () => {
    stored = { status: 500 };
    server.on('request', () => {
      now += 20_000;
    });
    const error = await checkpoint().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CheckpointNotKept);
    expect(error).toMatchObject({
      message: 'the checkpoint of step 7, 0.01 GB, was not kept within 140 s', // declared once, sent six times
      cause: expect.any(Unreachable),
    });
  });

  it('that a store refuses at once, being away, is sent again later', async () => {
    stored = { status: 503 };
    await expect(checkpoint()).rejects.toThrow(Unreachable);
  });
});

describe('a result', () => {
  const size = 3;
  const files = [{ path: 'adapter_model.safetensors', size, sha256: '0'.repeat(64) }];
  /** What the API answers, in turn, when it is told that all has been sent; and whether the part has arrived by then. */
  let answers: { status: number; body: object; arrived: boolean }[];
  let sent: number;

  beforeEach(() => {
    sent = 0;
    let arrived = false;
    server.removeAllListeners('request');
    server.on('request', (request, response) => {
      request.resume().on('end', () => {
        if (request.method === 'PUT') {
          arrived = true;
          sent++;
          response.end();
        } else if (request.url!.endsWith('/complete')) {
          const answer = answers.shift()!;
          arrived = answer.arrived;
          response.writeHead(answer.status).end(JSON.stringify(answer.body));
        } else {
          const part = { number: 1, size, done: arrived, ...(arrived ? {} : { url }) };
          response.end(JSON.stringify({ files: [{ path: files[0]!.path, partSize: size, parts: [part] }] }));
        }
      });
    });
  });

  const result = () =>
    new LeaseClient(new RunnerApi({ url, token: 'token-of-this-test' }), 'runner').result(
      'lease',
      { files, receipt: {}, trainedTokens: 0 },
      new Map([[files[0]!.path, new Uint8Array(size)]]),
    );
  const done = { status: 200, body: { model: 'owner/name@v1' }, arrived: true };
  const conflict = (detail: string, arrived: boolean) => ({
    status: 409,
    body: { code: 'conflict', detail },
    arrived,
  });

  it('of which the store has lost a part is sent again', async () => {
    answers = [conflict('1 of its parts have not arrived', false), done];
    expect(await result()).toBe('owner/name@v1');
    expect(sent).toBe(2);
  });

  it('that cannot be published is refused, with the reason: the lease lives', async () => {
    const detail = 'owner/name is a base model already: choose another name.';
    answers = [conflict(detail, true)];
    const error = await result().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(LeaseRefused);
    expect(error).toMatchObject({ message: detail });
    expect(sent).toBe(1);
  });

  it('of which the lease is over belongs to somebody else', async () => {
    answers = [{ status: 409, body: { code: 'lease_over', detail: 'The lease is over.' }, arrived: true }];
    await expect(result()).rejects.toThrow(LeaseEnded);
  });
});

describe('a file', () => {
  it.each([{ status: 413 }, { status: 400, body: '<Error><Code>EntityTooLarge</Code></Error>' }])(
    'that the store finds too large is not sent again: %o',
    async (answer) => {
      stored = answer;
      const error = await put(url, bytes).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(LeaseRefused);
      expect(limits.length).toBe(1);
    },
  );
});
