/** How the API reaches a runner whose connections do not last, or that says nothing. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { createRunnerClient } from '../api/runner-client.ts';
import { BEAT_MS, type GenerateEvent, GenerateRequest, STALLED_MS } from '../functions/generate.ts';
import { idleHealth } from './idle-health.ts';

const health = { ...idleHealth, baseBytes: 1, slots: 1, maxWaiting: 0 };
let server: Server;

/** A runner that drops connections for which `drops` says so, by their count. */
function runnerThat(drops: (request: number) => boolean) {
  let requests = 0;
  return runner((response) => {
    if (drops(++requests)) response.destroy();
    else response.end(JSON.stringify(health));
  });
}

async function runner(answer: (response: ServerResponse, request: number) => void) {
  let requests = 0;
  server = createServer((_, response) => answer(response, ++requests));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return createRunnerClient(() => ({ url, token: 'token-of-this-test' }));
}

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

it('asks again when a kept connection was closed under it', async () => {
  const client = await runnerThat((request) => request === 2);
  expect(await client.health()).toEqual(health);
  expect(await client.health()).toEqual(health);
});

it('says that the runner cannot be reached when it still is not', async () => {
  const client = await runnerThat(() => true);
  await expect(client.health()).rejects.toMatchObject({ code: 'unavailable', retryAfterSeconds: 2 });
});

const sha256 = '0'.repeat(64);
const request = GenerateRequest.parse({
  requestId: 'silent',
  base: {
    id: 'a/b',
    digest: sha256,
    files: [{ path: 'config.json', size: 1, sha256, url: 'http://127.0.0.1/config.json' }],
  },
  adapters: [],
  prompt: { kind: 'tokens', tokens: [1] },
  sampling: {},
});
const START = { type: 'start', promptTokens: 1 };
const DELTA = { type: 'delta', index: 0, text: 'one' };
const line = (event: object) => `${JSON.stringify(event)}\n`;

it('takes a runner that has nothing to say any more for one that stopped, before its answer and in the middle of it', async () => {
  const client = await runner((response, request) => {
    if (request > 1) response.write(line(START) + line(DELTA));
  });
  const { signal } = new AbortController();
  const began = performance.now();
  await Promise.all([
    expect(client.generate(request, signal)).rejects.toMatchObject({ reason: 'stopped' }),
    (async () => {
      const events = await client.generate(request, signal);
      expect((await events.next()).value).toEqual(START);
      expect((await events.next()).value).toEqual(DELTA);
      await expect(events.next()).rejects.toMatchObject({ reason: 'stopped', code: 'unavailable' });
    })(),
  ]);
  expect(performance.now() - began).toBeLessThan(STALLED_MS + 5_000);
});

it('waits for one that says that it is at work, however long, and for a client that reads slowly', async () => {
  const client = await runner((response, request) => {
    if (request === 1) {
      response.write(line(START));
      setTimeout(() => response.end(line(DELTA)), 1_000); // and nobody reads it
      return;
    }
    response.write('\n');
    const beat = setInterval(() => response.write('\n'), BEAT_MS);
    response.on('close', () => clearInterval(beat));
    setTimeout(() => response.end(line(START)), STALLED_MS + BEAT_MS);
  });
  const { signal } = new AbortController();
  const readSlowly = async () => {
    const seen: GenerateEvent[] = [];
    for await (const event of await client.generate(request, signal)) {
      seen.push(event);
      await new Promise((resolve) => setTimeout(resolve, STALLED_MS + 1_000));
    }
    return seen;
  };
  const slowly = readSlowly();
  const late = await client.generate(request, signal);
  expect((await late.next()).value).toEqual(START);
  expect(await slowly).toEqual([START, DELTA]);
});

it('tells a client what is wrong with an adapter, instead of having it ask again', async () => {
  const detail = 'base_model.model.lm_head: rank 8 of 4';
  const client = await runner((response) => {
    response.writeHead(409).end(JSON.stringify({ code: 'adapter_invalid', detail, field: 'model' }));
  });
  await expect(client.generate(request, new AbortController().signal)).rejects.toMatchObject({
    reason: 'adapter_invalid',
    message: detail,
    field: 'model',
    status: 422,
  });
});

it('takes no free answer for one that is held to a schema, of a runner that knows none', async () => {
  const asked = { ...request, schema: { type: 'object' } };
  const { signal } = new AbortController();
  const old = await runner((response) => response.end(line(START) + line(DELTA)));
  await expect(old.generate(asked, signal)).rejects.toMatchObject({
    reason: 'base_unsupported',
    status: 503,
  });
  const today = await runner((response) => response.end(line({ ...START, schema: true }) + line(DELTA)));
  expect((await (await today.generate(asked, signal)).next()).value).toEqual({ ...START, schema: true });
});

it('hears a refusal that took its time', async () => {
  const client = await runner((response) => {
    response.end(`\n${line({ type: 'error', code: 'template_failed', detail: 'no', field: 'messages' })}`);
  });
  await expect(client.generate(request, new AbortController().signal)).rejects.toMatchObject({
    reason: 'template_failed',
    field: 'messages',
    status: 400,
  });
});

it('ends an answer that breaks with what the runner says of it', async () => {
  const client = await runner((response) => {
    const broken = { type: 'error', code: 'adapter_invalid', detail: 'the scores overflow', field: 'model' };
    response.end(line(START) + line(DELTA) + line(broken));
  });
  const events = await client.generate(request, new AbortController().signal);
  expect([(await events.next()).value, (await events.next()).value]).toEqual([START, DELTA]);
  await expect(events.next()).rejects.toMatchObject({
    reason: 'adapter_invalid',
    field: 'model',
    status: 422,
  });
});
