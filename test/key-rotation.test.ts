/** Secrets are changed without losing what was signed, or anybody who works: docs/operate.md says how. */
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createAuth } from '../api/auth.ts';
import { createSigner } from '../api/signer.ts';
import { RunnerProcess } from '../gpu-runner/testing/runner-process.ts';
import { InProcess, otherRunnerToken, runnerToken } from './in-process.ts';

let api: InProcess;

beforeAll(async () => {
  api = await InProcess.open();
});
afterAll(() => api.close());

it('a record is verified after its key was replaced, as long as the public half is named', async () => {
  const before = await createSigner('1a'.repeat(32));
  const record = await before.sign({ sub: 'alice/json@1' });
  const { x } = before.keys.keys[0]!;
  const after = await createSigner('2b'.repeat(32), [x!]);
  const verify = (keys: unknown, jws: string) => jwtVerify(jws, createLocalJWKSet(keys as JSONWebKeySet));
  expect((await verify(after.keys, record)).payload.sub).toBe('alice/json@1');
  expect((await verify(after.keys, await after.sign({ sub: 'new' }))).protectedHeader.kid).toBe(
    after.keys.keys[0]!.kid,
  );
  await expect(verify((await createSigner('2b'.repeat(32))).keys, record)).rejects.toThrow();
  expect(JSON.stringify(after.keys)).not.toContain('"d"');
});

it('API and runner take two tokens while the token is changed', async () => {
  const ask = async (token: string) =>
    (await api.call('POST', '/api/runner/leases', { runner: 'r' }, token)).status;
  expect([
    await ask(runnerToken),
    await ask(otherRunnerToken),
    await ask('another token altogether'),
  ]).toEqual([204, 204, 401]);
  const runner = await RunnerProcess.start({ PATCHBAY_RUNNER_TOKEN_ALSO: otherRunnerToken });
  const health = async (headers: Record<string, string>) =>
    (await runner.send('/health', undefined, { headers })).status;
  expect(await health({})).toBe(200);
  expect(await health({ authorization: `Bearer ${otherRunnerToken}` })).toBe(200);
  expect(await health({ authorization: 'Bearer another token altogether' })).toBe(401);
  await runner.stop();
});

it('keys of users outlive the secret of sessions', async () => {
  const key = await api.key('alice', ['read']);
  const settings = { baseUrl: 'http://localhost', signUp: false, github: undefined };
  const other = createAuth(api.deps.db, { secret: 'another-secret-of-at-least-32-characters', ...settings });
  expect((await other.authenticate(`Bearer ${key}`))?.owner).toBe('alice');
});

it('a user’s key is replaced by a new one, and opens nothing from then on', async () => {
  const key = await api.key('carol', ['read', 'manage']);
  const made = (await (
    await api.call('POST', '/api/keys', { name: 'next', scopes: ['read'] }, key)
  ).json()) as { key: string };
  const { keys } = (await (await api.call('GET', '/api/keys', undefined, key)).json()) as {
    keys: { id: string; name: string }[];
  };
  const old = keys.find(({ name }) => name === 'test')!;
  expect((await api.call('DELETE', `/api/keys/${old.id}`, undefined, key)).ok).toBe(true);
  expect((await api.call('GET', '/api/adapters', undefined, key)).status).toBe(401);
  expect((await api.call('GET', '/api/adapters', undefined, made.key)).status).toBe(200);
});
