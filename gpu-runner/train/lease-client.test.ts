/** How long sending may take, and what is said of a checkpoint for which that was not enough. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LeaseRefused, put, RunnerApi, Unreachable } from '../runner-api.ts';
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
