/** Probes tell the truth: of a server whose database stops and comes back, of a runner that drains, of one that is not let in. */

import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Probe } from '../api/health.ts';
import { isMigrated } from '../db/migrated.ts';
import { openDatabase } from '../db/open.ts';
import { RunnerProcess } from '../gpu-runner/testing/runner-process.ts';
import { InProcess } from './in-process.ts';
import { type PostgresForTests, startPostgres } from './servers/postgres.ts';
import { TrainRunnerProcess } from './train-runner.ts';

const told = async (response: Response) => ({
  status: response.status,
  body: (await response.json()) as { status: string; checks?: Record<string, string> },
});

/** Asks until the answer has this status, as a probe does. */
async function until(ask: () => Promise<Response>, status: number) {
  for (;;) {
    const answer = await told(await ask());
    if (answer.status === status) return answer;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

describe('the API', () => {
  let postgres: PostgresForTests;
  let api: InProcess;
  const ready = () => api.call('GET', '/readyz', undefined, '');

  beforeAll(async () => {
    postgres = await startPostgres();
    const url = await postgres.createDatabase('probed');
    api = await InProcess.open({ url }, { onQueueError: () => undefined }); // whose database is taken away
  });
  afterAll(async () => {
    await api.close();
    await postgres.close();
  });

  it('is alive, and ready but for the runner that it has not', async () => {
    expect(await told(await api.call('GET', '/healthz', undefined, ''))).toEqual({
      status: 200,
      body: { status: 'ok' },
    });
    expect(await told(await ready())).toEqual({
      status: 200,
      body: {
        status: 'degraded',
        checks: { database: 'ok', object_store: 'ok', runner: 'failing' },
      },
    });
  });

  it('is not ready while Postgres is away, and ready again when it is back', async () => {
    await postgres.crash();
    const away = await until(ready, 503);
    expect(away.body).toMatchObject({
      status: 'not_ready',
      checks: { database: 'failing', object_store: 'ok' },
    });
    expect(JSON.stringify(away.body)).not.toMatch(/127\.0\.0\.1|postgres:/);
    expect((await api.call('GET', '/healthz', undefined, '')).status).toBe(200);
    await postgres.restart();
    expect((await until(ready, 200)).body).toMatchObject({ checks: { database: 'ok' } });
    expect((await api.call('GET', '/api/adapters')).status).toBe(200);
  });
});

describe('a serving runner', () => {
  it('is ready until it drains', async () => {
    const runner = await RunnerProcess.start();
    const probe = (path: string) => fetch(`${runner.url}${path}`);
    expect(await told(await probe('/healthz'))).toEqual({ status: 200, body: { status: 'ok' } });
    expect(await told(await probe('/readyz'))).toEqual({ status: 200, body: { status: 'ready' } });
    await runner.stop();
    await expect(probe('/readyz')).rejects.toThrow();
  });
});

describe('a training runner', () => {
  it('is ready while the API takes its token', async () => {
    const api = await InProcess.open();
    api.verdict = undefined;
    const url = await api.listen();
    const welcome = await TrainRunnerProcess.start(url);
    const stranger = await TrainRunnerProcess.start(url, { PATCHBAY_RUNNER_TOKEN: 'not the token of these' });
    const probe = (runner: TrainRunnerProcess) => async () => fetch(`${await runner.url}/readyz`);
    expect(await until(probe(welcome), 200)).toEqual({ status: 200, body: { status: 'ready' } });
    expect(await told(await probe(stranger)())).toEqual({ status: 503, body: { status: 'not_ready' } });
    expect((await fetch(`${await stranger.url}/healthz`)).status).toBe(200);
    api.intercept = async () => new Response('away', { status: 503 });
    await until(probe(welcome), 503);
    await Promise.all([welcome.stop(), stranger.stop()]);
    await api.close();
  });
});

it('a database whose schema is older than this code makes a server not ready, a newer one does not', async () => {
  const { db, close } = await openDatabase({ memory: true });
  await isMigrated(db);
  const newest = sql`select max(created_at) from drizzle.__drizzle_migrations`;
  await db.execute(
    sql`insert into drizzle.__drizzle_migrations (hash, created_at) select 'later', (${newest}) + 1`,
  );
  await isMigrated(db);
  await db.execute(sql`delete from drizzle.__drizzle_migrations where created_at >= (${newest}) - 1`);
  await expect(isMigrated(db)).rejects.toThrow('migrations are missing');
  await close();
});

it('asks once however many want to know, and reports a failure once', async () => {
  let asked = 0;
  const failures: string[] = [];
  const probe = new Probe(
    async () => {
      asked++;
      throw new Error('away');
    },
    (error) => failures.push(error.message),
  );
  const found = await Promise.all(Array.from({ length: 100 }, () => probe.passes()));
  expect([asked, failures, new Set(found)]).toEqual([1, ['away'], new Set([false])]);
  await probe.passes();
  expect(asked).toBe(1);
});

it('asks again when what it asked first does not end', async () => {
  let asked = 0;
  const probe = new Probe(
    () => (++asked === 1 ? new Promise<void>(() => undefined) : Promise.resolve()),
    () => undefined,
  );
  const began = performance.now();
  expect(await probe.passes()).toBe(false);
  while (!(await probe.passes())) await new Promise((resolve) => setTimeout(resolve, 100));
  expect(asked).toBe(2);
  expect(performance.now() - began).toBeLessThan(15_000);
});
