/** Secrets are changed without losing what was signed, or anybody who works: docs/operate.md says how. */
import { sql } from 'drizzle-orm';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuth } from '../api/auth.ts';
import { metricsRoute } from '../api/metrics.ts';
import { createSigner } from '../api/signer.ts';
import { openDatabase } from '../db/open.ts';
import { RunnerProcess } from '../gpu-runner/testing/runner-process.ts';
import { InProcess, otherRunnerToken, runnerToken } from './in-process.ts';
import { type PostgresForTests, startPostgres } from './servers/postgres.ts';

let api: InProcess;

beforeAll(async () => {
  api = await InProcess.open();
});
afterAll(() => api.close());

const authOf = (secret: string) =>
  createAuth(api.deps.db, { secret, baseUrl: 'http://localhost', signUp: false, github: undefined });

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
  const other = authOf('another-secret-of-at-least-32-characters');
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

it('the token of Prometheus is replaced by a restart', async () => {
  const scraped = async (shown: string, token: string) => {
    const route = metricsRoute(async () => undefined, {
      token,
      scrape: async () => 'patchbay_up 1',
    });
    return (await route.request('/metrics', { headers: { authorization: `Bearer ${shown}` } })).status;
  };
  const [old, next] = ['the old token of Prometheus', 'the new token of Prometheus'];
  expect([await scraped(old, old), await scraped(next, next)]).toEqual([200, 200]);
  expect(await scraped(old, next)).toBe(401);
});

describe('the password of the database', () => {
  let postgres: PostgresForTests;

  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.close());

  it('is no reason for a second user: the first one owns the tables', async () => {
    // As whoever was told to make one: nothing of it is theirs to change, nor the first one's to leave.
    const admin = await openDatabase({ url: await postgres.createDatabase('owned') });
    await admin.db.execute(
      sql.raw(
        `create role second login password 'second'; grant all on all tables in schema public to second`,
      ),
    );
    await expect(
      admin.db.execute(sql.raw('set role second; alter table adapters add column more text')),
    ).rejects.toThrow();
    await admin.close();
  });

  it('is changed while servers run, and the one that restarts with it finds and migrates all', async () => {
    const url = await postgres.createDatabase('rotated');
    const running = await openDatabase({ url });
    await running.db.execute(sql.raw(`alter role patchbay password 'the next one'`));
    await running.db.execute(sql`select count(*) from adapters`); // by the connection that it has
    await expect(openDatabase({ url })).rejects.toThrow();
    const changed = new URL(url);
    changed.password = 'the next one';
    const restarted = await openDatabase({ url: changed.href });
    await restarted.db.execute(sql`select count(*) from adapters`);
    await restarted.close();
    await running.close();
  });
});
