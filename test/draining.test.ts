/** What clients see of a server that stops while it answers, and of an answer that takes its time. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { sampleAdapter } from '../adapter/sample-adapter.ts';
import { closeServer } from '../api/embedded/close-server.ts';
import { BEAT_MS } from '../functions/generate.ts';
import { counted } from './counted-metrics.ts';
import { idleHealth } from './idle-health.ts';
import { base, baseId, InProcess, upload } from './in-process.ts';

vi.mock('../observe/metrics.ts', async (original) =>
  (await import('./counted-metrics.ts')).counting(await original()),
);

const health = { ...idleHealth, slots: 8, maxWaiting: 8 };
const DRAIN_MS = 1_500;
const START = { type: 'start', promptTokens: 1 };
const FINISH = { type: 'finish', index: 0, reason: 'stop', completionTokens: 1 };

let api: InProcess;
let runner: Server;
/** Answers of the runner that are under way. */
let answers: ServerResponse[];
const tell = (answer: ServerResponse, event: object) => answer.write(`${JSON.stringify(event)}\n`);
const delta = (text: string) => ({ type: 'delta', index: 0, text });

beforeEach(async () => {
  answers = [];
  runner = createServer((request, response) => {
    if (request.url === '/health') return response.end(JSON.stringify(health));
    tell(response, START);
    const beat = setInterval(() => response.write('\n'), BEAT_MS);
    response.on('close', () => clearInterval(beat));
    return answers.push(response);
  });
  await new Promise<void>((resolve) => runner.listen(0, '127.0.0.1', resolve));
  api = await InProcess.open();
  api.runners = [`http://127.0.0.1:${(runner.address() as AddressInfo).port}`];
});

afterEach(async () => {
  runner.closeAllConnections();
  runner.close();
  await api.close();
});

/** @returns where it listens, and how it is stopped */
async function listen() {
  const started = Promise.withResolvers<string>();
  const server = serve({ fetch: api.app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) =>
    started.resolve(`http://127.0.0.1:${port}`),
  );
  return { url: await started.promise, stop: () => closeServer(server, api.stops, DRAIN_MS) };
}

const ask = (url: string, stream: boolean, headers: Record<string, string> = {}) =>
  fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${api.admin}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: baseId, prompt: 'one', stream }),
  });

/** Resolves with the answers of the runner once there are so many. */
const underWay = (count: number) => expect.poll(() => answers.length).toBe(count);

it('what ends in time is whole; the others are told, in a stream and by a status', async () => {
  const { url, stop } = await listen();
  const [short, long] = [await ask(url, true), await ask(url, true)];
  const whole = ask(url, false);
  await underWay(3);
  for (const answer of answers) tell(answer, delta('one'));
  const began = performance.now();
  const stopped = stop();
  await expect(ask(url, true)).rejects.toThrow('fetch failed');
  tell(answers[0]!, FINISH);
  answers[0]!.end();
  expect(await short.text()).toMatch(/data: \[DONE\]\n\n$/);
  const told = await long.text();
  expect(told).toContain('"text":"one"');
  expect(told).toMatch(/"code":"unavailable"\}\}\n\n$/);
  const refused = await whole;
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
  await stopped;
  expect([...counted].filter(([series]) => series.startsWith('patchbay_streams_total'))).toEqual([
    ['patchbay_streams_total finished', 1],
    ['patchbay_streams_total failed', 1],
  ]);
  expect(performance.now() - began).toBeGreaterThan(DRAIN_MS - 100);
  expect(performance.now() - began).toBeLessThan(DRAIN_MS + 2_000);
});

it('a stream that breaks after its 200 is in the log, by the id of its request', async () => {
  const { url, stop } = await listen();
  const response = await ask(url, true, { 'x-request-id': 'breaks-in-the-middle' });
  await underWay(1);
  tell(answers[0]!, delta('one'));
  tell(answers[0]!, { type: 'error', code: 'internal', detail: 'the runner failed' });
  answers[0]!.end();
  expect(await response.text()).toContain('"message":"the runner failed"');
  expect(api.noted).toContainEqual({
    requestId: 'breaks-in-the-middle',
    method: 'POST',
    path: '/v1/completions',
    status: 500,
    code: 'internal',
    reason: 'the runner failed',
  });
  await stop();
});

it('what waits for the publish gate is told that it is pending, and does not keep the server', async () => {
  api.verdict = undefined; // nobody verifies
  const { url, stop } = await listen();
  const { config, weights } = sampleAdapter(base);
  const files = { 'adapter_config.json': config, 'adapter_model.safetensors': weights };
  const draft = await api.start('/api/adapters/admin/waits/versions', files);
  await upload(draft, files);
  const headers = { authorization: `Bearer ${api.admin}` };
  const completed = fetch(`${url}/api/drafts/${draft.id}/complete`, { method: 'POST', headers });
  await expect
    .poll(async () => (await api.call('GET', '/api/adapters/admin/waits/versions/1')).status)
    .toBe(200);
  const began = performance.now();
  const [answer] = await Promise.all([completed, stop()]);
  expect(performance.now() - began).toBeLessThan(DRAIN_MS);
  expect(await answer.json()).toMatchObject({ version: { status: 'pending' } });
});

it('a server that answers nobody stops at once, though clients keep their connections', async () => {
  const { url, stop } = await listen();
  const polling = setInterval(() => void fetch(`${url}/healthz`).catch(() => undefined), 20);
  await fetch(`${url}/healthz`);
  const began = performance.now();
  await stop();
  expect(performance.now() - began).toBeLessThan(1_200);
  clearInterval(polling);
});

it('a stream says in every silence that it is at work', async () => {
  const { url, stop } = await listen();
  const response = await ask(url, true);
  await underWay(1);
  await new Promise((resolve) => setTimeout(resolve, 11_000));
  tell(answers[0]!, delta('one'));
  await new Promise((resolve) => setTimeout(resolve, 11_000));
  tell(answers[0]!, FINISH);
  answers[0]!.end();
  const told = (await response.text())
    .split('\n\n')
    .map((event) => event.replace(/^(:|data: \[DONE).*/, '$1'));
  expect(told.filter((event) => event === ':')).toHaveLength(2);
  expect(told.lastIndexOf(':')).toBeGreaterThan(told.findIndex((event) => event.includes('"text":"one"')));
  await stop();
});
