/** What is left of requests that were answered, through real sockets: a server answers millions of them. */
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type HttpBindings, type ServerType, serve } from '@hono/node-server';
import pino from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { GenerateEvent } from '../functions/generate.ts';
import { createRunnerApp } from '../gpu-runner/http.ts';
import type { Runner } from '../gpu-runner/runner.ts';
import { idleHealth } from './idle-health.ts';
import { baseId, InProcess, runnerToken } from './in-process.ts';

/** The last ones are still known to their connections. */
const REQUESTS = 40;
const LAST = 4;

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

interface Server {
  readonly url: string;
  readonly requests: WeakRef<IncomingMessage>[];
  readonly server: ServerType;
}

async function listen(
  fetch: (request: Request, env: HttpBindings) => Response | Promise<Response>,
): Promise<Server> {
  const requests: WeakRef<IncomingMessage>[] = [];
  const server = serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: (request, env) => {
      const bindings = env as HttpBindings;
      requests.push(new WeakRef(bindings.incoming));
      return fetch(request, bindings);
    },
  });
  if (!server.listening) await new Promise((resolve) => server.once('listening', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests, server };
}

/** Answers at once. Its HTTP is what is looked at. */
const runner = {
  health: () => idleHealth,
  async *generate(): AsyncGenerator<GenerateEvent> {
    yield { type: 'start', promptTokens: 1 };
    yield { type: 'delta', index: 0, text: 'Hello' };
    yield { type: 'finish', index: 0, reason: 'stop', completionTokens: 1 };
  },
} as unknown as Runner;

let api: InProcess;
let front: Server;
let back: Server;

beforeAll(async () => {
  api = await InProcess.open();
  const access = { tokens: [runnerToken], metricsToken: undefined, scrape: async () => '' };
  const runnerApp = createRunnerApp(runner, access, pino({ level: 'silent' }));
  back = await listen((request, env) => runnerApp.fetch(request, env));
  front = await listen((request, env) => api.app.fetch(request, env));
  api.runners = [back.url];
});
afterAll(async () => {
  for (const { server } of [front, back]) server.close();
  await api.close();
});

async function alive(requests: readonly WeakRef<IncomingMessage>[]): Promise<number> {
  await sleep(10); // finalizers run between two collections
  collect();
  return requests.filter((request) => request.deref()).length;
}

it.each([true, false])(
  'a request whose answer is read to its end is forgotten, streamed: %j',
  async (stream) => {
    const body = JSON.stringify({ model: baseId, messages: [{ role: 'user', content: 'Hi' }], stream });
    const headers = { authorization: `Bearer ${api.admin}`, 'content-type': 'application/json' };
    for (let i = 0; i < REQUESTS; i++) {
      const answer = await fetch(`${front.url}/v1/chat/completions`, { method: 'POST', headers, body });
      expect(await answer.text()).toContain('Hello');
    }
    for (const { requests } of [front, back]) {
      expect(requests.length).toBeGreaterThanOrEqual(REQUESTS);
      await expect.poll(() => alive(requests)).toBeLessThanOrEqual(LAST);
    }
  },
);
