/** How the API reaches a runner whose connections do not last. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { createRunnerClient } from '../api/runner-client.ts';

const health = {
  status: 'ok',
  provider: 'cpu',
  baseBytes: 1,
  slots: 1,
  maxWaiting: 0,
  bases: [],
  running: 0,
  waiting: 0,
  adaptersInMemory: 0,
  adapters: [],
  answerSeconds: null,
};
let server: Server;

/** A runner that drops connections for which `drops` says so, by their count. */
async function runnerThat(drops: (request: number) => boolean) {
  let requests = 0;
  server = createServer((request, response) => {
    if (drops(++requests)) request.socket.destroy();
    else response.end(JSON.stringify(health));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return createRunnerClient(() => ({ url, token: 'token-of-this-test' }));
}

afterEach(() => new Promise((resolve) => server.close(resolve)));

it('asks again when a kept connection was closed under it', async () => {
  const client = await runnerThat((request) => request === 2);
  expect(await client.health()).toEqual(health);
  expect(await client.health()).toEqual(health);
});

it('says that the runner cannot be reached when it still is not', async () => {
  const client = await runnerThat(() => true);
  await expect(client.health()).rejects.toMatchObject({ code: 'unavailable', retryAfterSeconds: 2 });
});
