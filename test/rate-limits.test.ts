/** Limits of requests: what is told with every answer, and that several API processes over one database hold one limit together. */
import { sql } from 'drizzle-orm';
import { Hono } from 'hono';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AppEnv } from '../api/context.ts';
import { asApiError } from '../api/errors.ts';
import { limitRequests } from '../api/limits.ts';
import { type OpenDatabase, openDatabase } from '../db/open.ts';
import { drawTokens, forgetFullBuckets } from '../db/rate-buckets.ts';
import { rateBuckets } from '../db/schema.ts';
import { InProcess } from './in-process.ts';
import { type PostgresForTests, startPostgres } from './servers/postgres.ts';

describe('limits of requests', () => {
  let limited: InProcess;
  beforeAll(async () => {
    limited = await InProcess.open({ memory: true }, { limitFactor: 0.001 }); // 3 of 3,000
  });
  afterAll(() => limited.close());

  it('are told with every answer, and hold', async () => {
    const ask = (key: string) => limited.call('GET', '/api/bases', undefined, key);
    const first = await ask('');
    expect(first.headers.get('ratelimit-policy')).toBe('"api";q=3;w=300');
    expect(first.headers.get('ratelimit')).toMatch(/^"api";r=2;t=(100|99)$/); // when all three are there again
    await ask('');
    expect((await ask('')).status).toBe(200);
    const refused = await ask('');
    expect(refused.status).toBe(429);
    // When the next one may come.
    expect(refused.headers.get('ratelimit')).toMatch(/^"api";r=0;t=(100|99)$/);
    expect(refused.headers.get('retry-after')).toMatch(/^(100|99)$/);
    expect(await refused.json()).toMatchObject({
      code: 'rate_limited',
      detail: expect.stringMatching(/More than 3 requests in five minutes; the next may come in \d+ s/),
    });
    // Counted apart: downloads, and everybody else.
    expect((await limited.call('GET', '/a/b/resolve/main/x', undefined, '')).status).toBe(404);
    const key = await limited.key('bob', ['read']);
    expect((await ask(key)).headers.get('ratelimit')).toMatch(/^"api";r=9;/);
    for (let i = 0; i < 20; i++) expect((await ask(limited.admin)).status).toBe(200);
  });
});

describe.each(['PGlite', 'Postgres'])('buckets in %s', (kind) => {
  let server: PostgresForTests | undefined;
  let database: OpenDatabase;
  beforeAll(async () => {
    if (kind === 'Postgres') server = await startPostgres();
    database = await openDatabase(server ? { url: await server.createDatabase('limits') } : { memory: true });
  });
  beforeEach(() => database.db.delete(rateBuckets));
  afterAll(async () => {
    await database.close();
    await server?.close();
  });

  const wait = (seconds: number) =>
    database.db.update(rateBuckets).set({
      fullAt: sql`${rateBuckets.fullAt} - make_interval(secs => ${seconds})`,
    });

  it('give no more than there is, in whatever pieces and however many ask at once', async () => {
    const size = { capacity: 100, window: 300 };
    const pieces = [1, 7, 3, 20, 2, 30, 5, 11, 9, 40, 1, 1, 8];
    const drawn = await Promise.all(
      pieces.map((wanted) => drawTokens(database.db, 'api', 'a', size, wanted)),
    );
    expect(drawn.reduce((sum, { granted }) => sum + granted, 0)).toBe(100);
    expect(drawn.some(({ granted }, i) => granted > 0 && granted < pieces[i]!)).toBe(true); // what was left
    const empty = await drawTokens(database.db, 'api', 'a', size, 5);
    expect(empty.granted).toBe(0);
    expect(empty.lack).toBeGreaterThan(298);
    expect((await drawTokens(database.db, 'api', 'b', size, 5)).granted).toBe(5);
  });

  it('fill as time passes, and are forgotten when they are full', async () => {
    const size = { capacity: 100, window: 300 };
    const draw = (wanted: number) => drawTokens(database.db, 'api', 'a', size, wanted);
    await draw(100);
    await wait(30);
    expect((await draw(50)).granted).toBe(10);
    expect(await forgetFullBuckets(database.db)).toBe(0);
    await wait(301);
    expect(await forgetFullBuckets(database.db)).toBe(1);
    await draw(1);
    await wait(10_000); // longer than it takes to fill: there is no more than a full one
    expect((await draw(100)).granted).toBe(100);
    expect((await draw(1)).granted).toBe(0);
  });

  it('are shared by processes, which draw ahead no more than a hundredth', async () => {
    let statements = 0;
    const counting = new Proxy(database.db, {
      get(target, name) {
        if (name === 'insert') statements++;
        return Reflect.get(target, name);
      },
    });
    const processOf = () => {
      const app = new Hono<AppEnv>();
      app.use(limitRequests(counting, 0.4, () => '192.0.2.1')); // 1,200 of 3,000
      app.get('/api/bases', (c) => c.text('ok'));
      app.onError((error) => new Response(null, { status: asApiError(error).status }));
      return app;
    };
    const processes = [processOf(), processOf(), processOf()];
    let taken = 0;
    const began = performance.now();
    for (let i = 0; i < 1500; i++) {
      const { status } = await processes[i % 3]!.request('/api/bases');
      if (status === 200) taken++;
    }
    const filled = ((performance.now() - began) / 1000) * (1200 / 300);
    expect(taken).toBeGreaterThanOrEqual(1200);
    expect(taken).toBeLessThanOrEqual(1200 + Math.ceil(filled));
    expect(statements).toBeLessThan(300);
  });
});
