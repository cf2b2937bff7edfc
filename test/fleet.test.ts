/** Two APIs over one Postgres, and real runners that report to them, come, go and die. */
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sampleAdapter } from '../adapter/sample-adapter.ts';
import { createFleet, type Fleet } from '../api/fleet/fleet.ts';
import { baseSource } from '../api/invoke.ts';
import { findBase } from '../db/bases.ts';
import { type OpenDatabase, openDatabase } from '../db/open.ts';
import { addArrivals, liveRunners } from '../db/runners.ts';
import { invoke } from '../functions/definition.ts';
import { SILENT_MS } from '../functions/fleet.ts';
import { GenerateRequest, RunnerHealth } from '../functions/generate.ts';
import { scale } from '../functions/scale.ts';
import { RunnerProcess } from '../gpu-runner/testing/runner-process.ts';
import { base, baseId, InProcess, runnerToken } from './in-process.ts';
import { type PostgresForTests, startPostgres } from './servers/postgres.ts';

const PROMPT = [5, 6, 7];
const TOKENS = 480;
/** Forbids the tokens that end an answer. */
const ENDLESS = { '0': -100, '1': -100, '2': -100 };

let postgres: PostgresForTests;
let api: InProcess;
/** What another API process knows, which reads the same database. */
let otherDatabase: OpenDatabase;
let otherFleet: Fleet;
let apiUrl: string;
const started: RunnerProcess[] = [];

async function startRunner(environment: Record<string, string> = {}): Promise<RunnerProcess> {
  const runner = await RunnerProcess.start({
    PATCHBAY_RUNNER_TOKEN: runnerToken,
    PATCHBAY_API_URL: apiUrl,
    PATCHBAY_RUNNER_MAX_BATCH: '1',
    PATCHBAY_RUNNER_MAX_WAITING: '16',
    ...environment,
  });
  started.push(runner);
  await known(runner.url);
  return runner;
}

async function until<T>(look: () => Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const urls = async () => (await liveRunners(api.deps.db, SILENT_MS)).map(({ url }) => url);
const known = (url: string) => until(async () => (await urls()).includes(url));
const unknown = (url: string) => until(async () => !(await urls()).includes(url));

async function healthOf({ url }: RunnerProcess): Promise<RunnerHealth> {
  const headers = { authorization: `Bearer ${runnerToken}` };
  return RunnerHealth.parse(await (await fetch(`${url}/health`, { headers })).json());
}

function ask(max_tokens = TOKENS, of = api): Promise<Response> {
  const body = {
    model: baseId,
    prompt: PROMPT,
    max_tokens,
    temperature: 0,
    logit_bias: ENDLESS,
    stream: true,
  };
  return of.call('POST', '/v1/completions', body);
}

interface Streamed {
  text: string;
  finish: string | undefined;
  error: string | undefined;
}

/** @param onText called at the first piece of text */
async function read(response: Response, onText: () => void = () => undefined): Promise<Streamed> {
  const streamed: Streamed = { text: '', finish: undefined, error: undefined };
  let rest = '';
  for await (const chunk of response.body!.pipeThrough(
    new TextDecoderStream() as TransformStream<Uint8Array, string>,
  )) {
    const lines = (rest + chunk).split('\n\n');
    rest = lines.pop()!;
    for (const line of lines) {
      if (line === 'data: [DONE]' || !line.startsWith('data: ')) continue;
      const { choices, error } = JSON.parse(line.slice('data: '.length));
      streamed.error ??= error?.message;
      streamed.finish ??= choices?.[0]?.finish_reason ?? undefined;
      if (choices?.[0]?.text && !streamed.text) onText();
      streamed.text += choices?.[0]?.text ?? '';
    }
  }
  return streamed;
}

beforeAll(async () => {
  postgres = await startPostgres();
  const url = await postgres.createDatabase('fleet');
  api = await InProcess.open({ url });
  otherDatabase = await openDatabase({ url });
  otherFleet = createFleet({
    token: runnerToken,
    registered: () => liveRunners(otherDatabase.db, SILENT_MS),
    fixed: () => [],
    coldStartMs: 0,
    asked: () => undefined,
  });
  apiUrl = await api.listen();
});

afterAll(async () => {
  await Promise.all(started.map((runner) => runner.stop()));
  await api?.close();
  await otherDatabase?.close();
  await postgres?.close();
});

describe('a fleet', () => {
  it('is refused by one who does not know the token, and by a runner that says it is elsewhere than on HTTP', async () => {
    const health = {};
    expect((await api.call('POST', '/api/runner/runners', { url: 'http://x', health }, 'other')).status).toBe(
      401,
    );
    for (const url of ['file:///etc', 'http://user:secret@host/', 'http://host/?to=elsewhere', 'none']) {
      const refusal = await api.call('POST', '/api/runner/runners', { url, health }, runnerToken);
      expect(refusal.status, url).toBe(400);
      expect(await refusal.text()).toContain('url');
    }
  });

  it('says that nobody is there', async () => {
    const response = await ask();
    expect(response.status).toBe(503);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  it('is the same for two APIs, and answers both', async () => {
    const [first, second] = await Promise.all([startRunner(), startRunner()]);
    const seen = (await otherFleet.members()).map(({ url }) => url);
    expect(seen).toEqual([first.url, second.url].sort());
    const answer = await read(await ask(8));
    expect(answer.finish).toBe('length');
    const base = await baseSource(api.deps, (await findBase(api.deps.db, baseId))!);
    const request = GenerateRequest.parse({
      requestId: 'of the other API',
      base,
      adapters: [],
      prompt: { kind: 'tokens', tokens: PROMPT },
      sampling: { temperature: 0, maxTokens: 8, logitBias: ENDLESS },
    });
    let text = '';
    for await (const event of await otherFleet.generate(request, new AbortController().signal))
      if (event.type === 'delta') text += event.text;
    expect(text).toBe(answer.text);
    const operator = await (await api.call('GET', '/api/operator')).json();
    expect(operator.runners).toHaveLength(2);
    expect(operator.runner.slots).toBe(2);
  });

  it('answers those who wait at a runner that dies, and tells those who had begun', async () => {
    const reference = await read(await ask());
    expect(reference.finish).toBe('length');
    // Both have the base by now: what one runner cannot take at once makes the other load it.
    await until(async () => {
      await Promise.all(Array.from({ length: 6 }, async () => read(await ask(40))));
      return (await Promise.all(started.map(healthOf))).every(({ bases }) => bases.length === 1);
    });
    await until(async () => {
      await new Promise((resolve) => setTimeout(resolve, 200));
      return (await api.fleet.members()).every(({ bases }) => bases.size === 1);
    });
    const streams = Array.from({ length: 10 }, async () => read(await ask()));
    const doomed = await until(async () => {
      const healths = await Promise.all(started.map(healthOf));
      return started[healths.findIndex(({ waiting, running }) => waiting > 1 && running > 0)];
    });
    doomed.child.kill('SIGKILL');
    const ended = await Promise.all(streams);
    const broken = ended.filter(({ error }) => error !== undefined);
    expect(broken.length).toBeLessThanOrEqual(1);
    for (const { text, error, finish } of broken) {
      expect(text.length).toBeGreaterThan(0);
      expect(finish).toBeUndefined();
      expect(error).toBe('The runner stopped in the middle of the answer.');
    }
    for (const stream of ended.filter((one) => !broken.includes(one))) expect(stream).toEqual(reference);
  });

  it('ends a stream whose runner is killed with an error', async () => {
    const left = started.find(({ child }) => child.signalCode === null)!;
    const { text, error, finish } = await read(await ask(), () => left.child.kill('SIGKILL'));
    expect(text.length).toBeGreaterThan(0);
    expect(finish).toBeUndefined();
    expect(error).toBe('The runner stopped in the middle of the answer.');
  });

  it('does not know runners that were silent for too long', async () => {
    expect((await urls()).length).toBeGreaterThan(0);
    await api.deps.db.execute(
      sql`update runners set heard_at = now() - make_interval(secs => ${SILENT_MS / 1000})`,
    );
    expect(await urls()).toEqual([]);
    expect((await ask()).status).toBe(503);
  });

  it('is to have as many runners as its bases need, and none when nobody asks', async () => {
    const desired = async () => {
      await invoke(scale, {}, { db: api.deps.db });
      return (await api.call('GET', '/api/runner/desired', undefined, runnerToken)).json();
    };
    expect((await api.call('GET', '/api/runner/desired')).status).toBe(401);
    expect(await desired()).toEqual({ runners: 0, training: 0, waitingSeconds: 0, live: 0, bases: [] });
    await addArrivals(api.deps.db, new Map([[baseId, 2]]));
    expect(await desired()).toEqual({
      runners: 1,
      training: 0,
      waitingSeconds: 0,
      live: 0,
      bases: [{ base: baseId, desired: 1, live: 0 }],
    });
    await api.deps.db.execute(sql`update base_demand set asked_at = now() - interval '1 hour'`);
    expect(await desired()).toMatchObject({ runners: 0, bases: [{ base: baseId, desired: 0 }] });
  });

  it('is to have one as soon as somebody asks, and none once nobody does, though ticks are minutes apart', async () => {
    const desired = async () => (await api.call('GET', '/api/runner/desired', undefined, runnerToken)).json();
    await api.deps.db.execute(sql`update base_demand set state = null, asked_at = now()`);
    expect(await desired()).toMatchObject({ runners: 1, bases: [{ base: baseId, desired: 1 }] });
    await invoke(scale, {}, { db: api.deps.db });
    await api.deps.db.execute(sql`update base_demand set asked_at = now() - interval '1 hour'`);
    expect(await desired()).toMatchObject({ runners: 0, bases: [{ base: baseId, desired: 0 }] });
  });

  it('lets a runner finish that is told to stop, and asks it for nothing more', async () => {
    const [first, second] = await Promise.all([startRunner(), startRunner()]);
    let stopping: RunnerProcess | undefined;
    let stopped: Promise<unknown> | undefined;
    const whole = await read(await ask(), () => {
      void (async () => {
        const { running } = await healthOf(first);
        stopping = running > 0 ? first : second;
        stopped = stopping.stop();
      })();
    });
    expect(whole.finish).toBe('length');
    const after = await Promise.all(Array.from({ length: 4 }, async () => read(await ask(8))));
    expect(after.every(({ finish }) => finish === 'length')).toBe(true);
    expect(await stopped).toEqual({ code: 0, signal: null });
    await unknown(stopping!.url);
  });

  it('ends a stream whose runner hangs, with all of its connections', async () => {
    const living = await urls();
    for (const one of started) if (living.includes(one.url)) await one.stop();
    const runner = await startRunner();
    const { text, error, finish } = await read(await ask(), () => runner.child.kill('SIGSTOP'));
    expect(text.length).toBeGreaterThan(0);
    expect([finish, error]).toEqual([undefined, 'The runner fell silent.']);
    runner.child.kill('SIGCONT');
    await runner.stop();
  });

  it('has in memory what was to be warm, which counts as one token', async () => {
    const runner = await startRunner();
    const living = await urls();
    for (const one of started) if (one !== runner && living.includes(one.url)) await one.stop();
    const { config, weights } = sampleAdapter(base);
    const files = { 'adapter_config.json': config, 'adapter_model.safetensors': weights };
    expect((await api.publish('/api/adapters/warm/one/versions', files)).status).toBe(200);
    const key = await api.key('eager', ['read', 'infer']);
    const warm = (model: string) => api.call('POST', '/api/warm', { model }, key);
    expect((await warm('warm/none')).status).toBe(404);
    expect(await healthOf(runner)).toMatchObject({ bases: [], adaptersInMemory: 0 });
    const answer = await (await warm('warm/one')).json();
    expect(answer).toEqual({ base: baseId, versions: ['warm/one@1'], seconds: expect.any(Number) });
    expect(await healthOf(runner)).toMatchObject({ bases: [{ id: baseId }], adaptersInMemory: 1 });
    const { items } = await (await api.call('GET', '/api/usage', undefined, key)).json();
    const counted = items.map(({ kind, quantity }: { kind: string; quantity: number }) => [kind, quantity]);
    expect(counted.sort()).toEqual([
      ['completion', 1],
      ['prompt', 1],
    ]);
  });
});

describe('a request that comes before any runner', () => {
  it('waits for one, and its stream says so', async () => {
    const early = await InProcess.open({ memory: true }, { coldStartMs: 60_000 });
    const response = await ask(8, early);
    expect(response.status).toBe(200);
    const [heard, told] = response.body!.tee();
    const reader = heard.getReader();
    const first = new TextDecoder().decode((await reader.read()).value);
    expect(first).toMatch(/^: waiting/);
    void reader.cancel();
    const runner = await RunnerProcess.start({
      PATCHBAY_RUNNER_TOKEN: runnerToken,
      PATCHBAY_API_URL: await early.listen(),
    });
    expect((await read(new Response(told))).finish).toBe('length');
    await runner.stop();
    await early.close();
  });
});
