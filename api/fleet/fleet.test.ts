import { expect, it } from 'vitest';
import { GenerateRequest, RunnerHealth } from '../../functions/generate.ts';
import { createFleet } from './fleet.ts';

const sha256 = 'b'.repeat(64);
const asking = (n: number) =>
  GenerateRequest.parse({
    requestId: 'many',
    base: {
      id: 'a/b',
      digest: sha256,
      files: [{ path: 'model.safetensors', size: 10, sha256, url: 'http://127.0.0.1/model.safetensors' }],
    },
    adapters: [],
    prompt: { kind: 'tokens', tokens: [1] },
    sampling: {},
    n,
  });

/** Nobody listens there: what is refused is refused before it is sent. */
function fleetOf(...runners: Partial<RunnerHealth>[]) {
  const known = runners.map((health, i) => ({
    url: `http://127.0.0.1:${i + 1}`,
    silentMs: 0,
    health: RunnerHealth.parse({
      status: 'ok',
      provider: 'cpu',
      baseBytes: 100,
      slots: 4,
      maxWaiting: 4,
      bases: [{ id: 'a/b', digest: sha256, contextLength: 64 }],
      running: 0,
      waiting: 0,
      adaptersInMemory: 0,
      adapters: [],
      answerSeconds: null,
      ...health,
    }),
  }));
  const fleet = createFleet({
    token: 'token-of-this-test',
    registered: async () => known,
    fixed: () => [],
    coldStartMs: 0,
    asked: () => undefined,
  });
  return (n: number) => fleet.generate(asking(n), new AbortController().signal);
}

it('lets nobody wait for a runner whom the server would have to wait for to stop', async () => {
  const stopping = new AbortController();
  const fleet = createFleet({
    token: 'token-of-this-test',
    registered: async () => [],
    fixed: () => [],
    coldStartMs: 60_000,
    asked: () => undefined,
    stopping: stopping.signal,
  });
  const answer = fleet.generate(asking(1), new AbortController().signal);
  stopping.abort();
  await expect(answer).rejects.toMatchObject({ code: 'unavailable', retryAfterSeconds: expect.any(Number) });
});

it('refuses more answers than any runner can ever take, with the most there can be', async () => {
  await expect(fleetOf({}, { slots: 2 })(9)).rejects.toMatchObject({
    code: 'invalid_request',
    field: 'n',
    message: expect.stringMatching(/n is 9; .* at most 8 /),
  });
});

it('has those come back who ask for what a runner takes that is full now', async () => {
  for (const larger of [
    { running: 4, waiting: 4, maxWaiting: 12 },
    { running: 4, waiting: 12, bases: [], maxWaiting: 12 },
  ])
    await expect(fleetOf({}, larger)(9)).rejects.toMatchObject({ code: 'busy' });
});

it('counts no runner that is too small for the base', async () => {
  await expect(fleetOf({}, { baseBytes: 9, bases: [], maxWaiting: 12 })(9)).rejects.toMatchObject({
    field: 'n',
  });
});

it('says so where all runners are too small for the base', async () => {
  const small = { baseBytes: 9, bases: [] };
  await expect(fleetOf(small, { ...small, baseBytes: 7 })(1)).rejects.toMatchObject({
    code: 'unavailable',
    message:
      'No runner has room for a/b: its weights have 10 bytes, and the largest keeps 9 (PATCHBAY_RUNNER_BASE_BYTES).',
  });
});
