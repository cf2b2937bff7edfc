/** Limits of requests: what is told with every answer, and that several API processes over one database hold one limit together. */
import { sql } from 'drizzle-orm';
import { Hono } from 'hono';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addressOf } from '../api/address.ts';
import type { AppEnv } from '../api/context.ts';
import { openSite } from '../api/embedded/site.ts';
import { asApiError } from '../api/errors.ts';
import { Limits } from '../api/limits.ts';
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

describe('a browser that comes for a page', () => {
  const PAGES = ['/', '/adapters/admin/any', '/settings', '/jobs', '/nothing/here'];
  const browser = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
  const ask = (api: InProcess, path: string, headers: Record<string, string> = browser) =>
    api.app.request(path, { headers });

  it('over the limit reads when to come again, and finds the page’s files', async () => {
    const limited = await InProcess.open({ memory: true }, { limitFactor: 0.001, site: await openSite() });
    const style = /href="(\/assets\/[^"]+\.css)"/.exec(await (await ask(limited, '/sign-in')).text())?.[1];
    const seen: string[] = [];
    for (let i = 0; i < 4; i++) {
      const answer = await ask(limited, '/');
      if (answer.status === 200) continue; // what a page asks for counts as well
      expect(answer.status).toBe(429);
      expect(answer.headers.get('retry-after')).toMatch(/^(100|99)$/);
      seen.push(await answer.text());
    }
    expect(seen.length).toBeGreaterThan(1);
    for (const path of PAGES) {
      const answer = await ask(limited, path);
      expect(answer.status, path).toBe(429);
      expect(answer.headers.get('retry-after'), path).toMatch(/^(100|99)$/);
      expect(answer.headers.get('content-type'), path).toMatch(/^text\/html/);
      expect(answer.headers.get('content-security-policy'), path).toContain("default-src 'self'");
      seen.push(await answer.text());
    }
    for (const html of seen) expect(html).toMatch(/<h1[^>]*>Too much at once.*the next may come in \d+ s\./s);
    expect((await ask(limited, style!)).status).toBe(200);
    for (const path of ['/api/bases', '/v1/models', '/openapi.json', '/admin/any/resolve/main/x'])
      expect((await ask(limited, path)).headers.get('content-type'), path).not.toMatch(/html/);
    const program = await ask(limited, '/', { accept: '*/*' });
    expect(program.headers.get('content-type')).toBe('application/problem+json');
    await limited.close();
  });

  it('while the database is away reads so', async () => {
    const api = await InProcess.open({ memory: true }, { site: await openSite() });
    const { session } = api.deps.db as unknown as {
      session: { prepareQuery(...args: unknown[]): unknown };
    };
    const prepare = session.prepareQuery.bind(session);
    session.prepareQuery = () => {
      throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    };
    const signedIn = { ...browser, cookie: 'better-auth.session_token=any' };
    for (const path of PAGES)
      for (const headers of [browser, signedIn]) {
        const answer = await ask(api, path, headers);
        expect(answer.status, path).toBe(503);
        expect(answer.headers.get('retry-after'), path).toBe('2');
        expect(await answer.text(), path).toMatch(/<h1[^>]*>Away for a moment.*cannot be reached right now/s);
      }
    session.prepareQuery = prepare;
    await api.close();
  });
});

describe('keys that are not valid, and attempts to sign in', () => {
  let limited: InProcess;
  let statements = 0;
  beforeAll(async () => {
    limited = await InProcess.open({ memory: true }, { limitFactor: 0.1 }); // 60 of 600 keys, 3 of 30 attempts
    const { session } = limited.deps.db as unknown as {
      session: { prepareQuery(...args: unknown[]): unknown };
    };
    const prepare = session.prepareQuery.bind(session);
    session.prepareQuery = (...args) => {
      statements++;
      return prepare(...args);
    };
  });
  afterAll(() => limited.close());

  const ask = (key: string) => limited.call('GET', '/api/whoami', undefined, key);

  it('are looked up until there are too many from an address, and then no more', async () => {
    const known = await limited.key('alice', ['read']);
    expect((await ask(known)).status).toBe(200);
    const unknown = await limited.key('bob', ['read']);
    const statuses: number[] = [];
    for (let i = 0; i < 60; i++) statuses.push((await ask(`pb_wrong${i}`)).status);
    expect(new Set(statuses)).toEqual(new Set([401]));
    const refused = await ask('pb_wrong');
    expect(refused.status).toBe(429);
    expect(refused.headers.get('ratelimit-policy')).toBe('"invalid-keys";q=60;w=300');
    const before = statements;
    expect(before).toBeGreaterThan(60);
    for (const key of ['pb_wrong', 'pb_another', 'not even one', unknown]) {
      const again = await ask(key);
      expect(again.status).toBe(429);
      expect(again.headers.get('retry-after')).toMatch(/^[1-5]$/);
    }
    expect(statements).toBe(before);
    expect((await ask(known)).status).toBe(200);
    expect((await ask('')).status).toBe(401); // nothing is looked up: it counts as a request
  });

  it('are counted by address, whoever is signed in', async () => {
    const attempt = (path: string, body: object, key = '') =>
      limited.call('POST', `/api/auth${path}`, body, key);
    const signIn = { email: 'alice@example.org', password: 'a guess' };
    expect((await attempt('/sign-in/email', signIn)).status).toBe(401);
    expect((await attempt('/sign-up/email', {})).status).toBe(400);
    expect((await attempt('/sign-in/email', signIn, limited.admin)).status).toBe(401);
    const refused = await attempt('/sign-in/email', signIn, limited.admin);
    expect(refused.status).toBe(429);
    expect(await refused.json()).toMatchObject({
      detail: expect.stringMatching(/^More than 3 attempts to sign in or up in five minutes/),
    });
    expect((await limited.call('GET', '/api/bases', undefined, '')).status).toBe(200);
  });
});

/** An API of one route, with limits. */
function limitedApp({ requests }: Limits) {
  const app = new Hono<AppEnv>();
  app.use(requests);
  app.get('/api/bases', (c) => c.text('ok'));
  app.onError((error) => new Response(null, { status: asApiError(error).status }));
  return app;
}

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
    expect(drawn.every(({ granted }, i) => granted <= pieces[i]!)).toBe(true);
    await drawTokens(database.db, 'api', 'c', size, 95);
    expect((await drawTokens(database.db, 'api', 'c', size, 20)).granted).toBe(5); // what was left
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

  it('are one for all addresses of a line', async () => {
    const from = addressOf(true, () => undefined);
    const app = limitedApp(new Limits(database.db, 0.001, from)); // 3 of 3,000
    const ask = async (...addresses: string[]) => {
      const statuses: number[] = [];
      for (const address of addresses) {
        const headers = { 'x-forwarded-for': `192.0.2.1, ${address}` };
        statuses.push((await app.request('/api/bases', { headers })).status);
      }
      return statuses;
    };
    const line = ['2001:db8:1:2::1', '2001:db8:1:2::2', '2001:db8:1:2:ffff::', '2001:DB8:1:2:3:4:5:6'];
    expect(await ask(...line)).toEqual([200, 200, 200, 429]);
    expect(await ask('2001:db8:1:3::1')).toEqual([200]);
    const mapped = ['203.0.113.7', '::ffff:203.0.113.7', '203.0.113.7', '::ffff:203.0.113.7'];
    expect(await ask(...mapped)).toEqual([200, 200, 200, 429]);
    expect(await ask('203.0.113.8')).toEqual([200]);
  });

  it('are shared by processes, which draw ahead no more than a hundredth', async () => {
    let statements = 0;
    const counting = new Proxy(database.db, {
      get(target, name) {
        if (name === 'insert') statements++;
        return Reflect.get(target, name);
      },
    });
    const processOf = () => limitedApp(new Limits(counting, 0.4, () => '192.0.2.1')); // 1,200 of 3,000
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
