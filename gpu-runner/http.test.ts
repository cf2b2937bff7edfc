/** A real runner process, over HTTP, with the parity fixtures as bases and adapters. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type BaseSource,
  type GenerateEvent,
  type GenerateRequest,
  STALLED_MS,
} from '../functions/generate.ts';
import { WEIGHTS_FILE } from './model/adapter-file.ts';
import { FileServer } from './testing/file-server.ts';
import { allEvents, eventsOf, RunnerProcess, textOf } from './testing/runner-process.ts';

const MAX_BATCH = 4;
const MAX_WAITING = 4;
const CONTEXT = 512;
/** Forbids the end tokens of llama3. */
const ENDLESS = { logitBias: { 316: -100, 319: -100 } };

let files: FileServer;
let runner: RunnerProcess;
let llama3: BaseSource;

beforeAll(async () => {
  files = await FileServer.open();
  runner = await RunnerProcess.start({
    PATCHBAY_RUNNER_MAX_BATCH: `${MAX_BATCH}`,
    PATCHBAY_RUNNER_MAX_WAITING: `${MAX_WAITING}`,
  });
  llama3 = files.base('llama3');
  expect((await runner.send('/bases', llama3)).status).toBe(200);
});

afterAll(async () => {
  const { code } = await runner.stop();
  await files.close();
  expect(code).toBe(0);
});

interface Asked extends Omit<Partial<GenerateRequest>, 'sampling'> {
  readonly sampling?: Partial<GenerateRequest['sampling']>;
}

let requests = 0;
const asking = ({ sampling, ...overrides }: Asked = {}) => ({
  requestId: `request-${++requests}`,
  base: llama3,
  adapters: [],
  prompt: { kind: 'tokens', tokens: [293] },
  sampling: { temperature: 0, maxTokens: 16, ...sampling },
  ...overrides,
});

const ask = (asked: Asked = {}) => runner.send('/generate', asking(asked));
const generate = async (asked: Asked = {}) => allEvents(await ask(asked));
const finishes = (events: readonly GenerateEvent[]) => events.filter(({ type }) => type === 'finish');
const chat = (...contents: string[]) => ({
  kind: 'messages' as const,
  messages: contents.map((content, i) => ({
    role: i % 2 ? ('assistant' as const) : ('user' as const),
    content,
  })),
});

interface ReferenceCase {
  name: string;
  adapters: Record<string, number>;
  prompts: { prompt: number[]; greedy: number[] }[];
}
const reference: Promise<{ cases: ReferenceCase[] }> = readFile(
  join(import.meta.dirname, '../test/fixtures/parity/llama3/reference/reference.json'),
  'utf8',
).then(JSON.parse);

/** Ids of the tokens of answer `index`; the request asked for log-probabilities. */
const idsOf = (events: readonly GenerateEvent[], index = 0) =>
  events.flatMap((event) =>
    event.type === 'delta' && event.index === index ? (event.tokens ?? []).map(({ id }) => id) : [],
  );

describe('a generation', () => {
  it('begins with start, ends with finish, and counts tokens', async () => {
    const events = await generate();
    expect(events[0]).toEqual({ type: 'start', promptTokens: 1, fingerprint: expect.any(String) });
    expect(events.at(-1)).toEqual({ type: 'finish', index: 0, reason: 'length', completionTokens: 16 });
    expect(textOf(events)).not.toBe('');
  });

  it('names what answers: the same for the same model, another one for every other', async () => {
    const [one, other] = [files.adapter('llama3', 'all-linear'), files.adapter('llama3', 'second')];
    const models = [[], [one], [other], [one, other], [one, { ...other, weight: 0.5 }]];
    const seen = async () => {
      const starts = await Promise.all(models.map(async (adapters) => (await generate({ adapters }))[0]!));
      return starts.map((start) => start.type === 'start' && start.fingerprint);
    };
    const fingerprints = await seen();
    for (const fingerprint of fingerprints) expect(fingerprint).toMatch(/^fp_[0-9a-f]{10}$/);
    expect(new Set(fingerprints).size).toBe(models.length);
    expect(await seen()).toEqual(fingerprints);
  });

  it('with base, adapters and mixes all at once chooses the tokens that transformers and PEFT choose', async () => {
    const { cases } = await reference;
    const asked = cases.flatMap(({ adapters, prompts }) =>
      prompts.map(({ prompt, greedy }) => ({
        greedy,
        request: {
          prompt: { kind: 'tokens' as const, tokens: prompt },
          adapters: Object.entries(adapters).map(([name, weight]) => ({
            ...files.adapter('llama3', name),
            weight,
          })),
          sampling: { temperature: 0, maxTokens: greedy.length, topLogprobs: 0 },
        },
      })),
    );
    // As many at once as the runner takes; the others follow as places become free.
    const waiting = [...asked];
    const serve = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift())
        expect(idsOf(await generate(next.request))).toEqual(next.greedy);
    };
    await Promise.all(Array.from({ length: MAX_BATCH + 2 }, serve));
  });

  it('gives the same tokens for the same seed, alone and in company', async () => {
    const sampled = {
      adapters: [files.adapter('llama3', 'all-linear')],
      sampling: { temperature: 1, seed: 7, maxTokens: 40, topLogprobs: 0 },
    };
    const alone = idsOf(await generate(sampled));
    const company = Promise.all([
      generate({ sampling: { temperature: 1 } }),
      generate({ prompt: chat('hello there') }),
    ]);
    expect(idsOf(await generate(sampled))).toEqual(alone);
    await company;
    expect(idsOf(await generate({ ...sampled, sampling: { ...sampled.sampling, seed: 8 } }))).not.toEqual(
      alone,
    );
  });

  it('makes n answers, each with its own random numbers', async () => {
    const events = await generate({ n: 3, sampling: { temperature: 1, seed: 5, topLogprobs: 0 } });
    expect(
      finishes(events)
        .map((event) => event.type === 'finish' && event.index)
        .sort(),
    ).toEqual([0, 1, 2]);
    const answers = [0, 1, 2].map((index) => idsOf(events, index).join());
    expect(new Set(answers).size).toBe(3);
    expect(idsOf(await generate({ sampling: { temperature: 1, seed: 5, topLogprobs: 0 } })).join()).toBe(
      answers[0],
    );
  });

  it('reports the bytes of each token', async () => {
    const events = await generate({ sampling: { topLogprobs: 2 } });
    const tokens = events.flatMap((event) => (event.type === 'delta' ? (event.tokens ?? []) : []));
    expect(new TextDecoder().decode(Uint8Array.from(tokens.flatMap(({ bytes }) => bytes)))).toBe(
      textOf(events),
    );
    for (const { logprob, id, top } of tokens) expect(top[0]).toMatchObject({ id, logprob }); // greedy
  });

  it('renders the chat template', async () => {
    const [start] = await generate({ prompt: chat('hello', 'hi', 'bye') });
    expect(start).toMatchObject({ type: 'start', promptTokens: expect.any(Number) });
  });
});

describe('a refusal names what is wrong', () => {
  const refused = async (asked: Asked) => {
    const response = await ask(asked);
    return {
      status: response.status,
      ...((await response.json()) as { code: string; detail: string; field?: string }),
    };
  };

  it('no token, a wrong token', async () => {
    const path = `${runner.url}/health`;
    expect((await fetch(path)).status).toBe(401);
    expect((await fetch(path, { headers: { authorization: 'Bearer wrong' } })).status).toBe(401);
  });

  it.each([
    ['no JSON', '{"requestId":', /not JSON/],
    ['a field of the wrong type', JSON.stringify({ requestId: 7 }), /requestId/],
  ])('%s', async (_name, body, reason) => {
    const response = await runner.send('/generate', body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      code: 'invalid_request',
      detail: expect.stringMatching(reason),
    });
  });

  it('a prompt that is longer than the context', async () => {
    const tokens = Array.from({ length: CONTEXT }, () => 5);
    expect(await refused({ prompt: { kind: 'tokens', tokens } })).toEqual({
      status: 400,
      code: 'context_length_exceeded',
      detail: `The prompt has ${CONTEXT} tokens; the context of fixtures/llama3 holds ${CONTEXT}, answer included.`,
      field: 'prompt',
    });
    expect(await refused({ prompt: chat('hello '.repeat(1000)) })).toMatchObject({
      code: 'context_length_exceeded',
      field: 'messages',
    });
  });

  it('ten megabytes of JSON: refused in a moment, by what it asks', async () => {
    expect(await refused({ prompt: chat('a'.repeat(10 * 2 ** 20)) })).toMatchObject({
      status: 400,
      code: 'context_length_exceeded',
    });
  });

  it('a body beyond the limit, announced or not', async () => {
    const body = JSON.stringify(asking({ prompt: chat('a'.repeat(17 * 2 ** 20)) }));
    const announced = await runner.send('/generate', body);
    expect([announced.status, await announced.json()]).toEqual([
      413,
      expect.objectContaining({ code: 'too_large' }),
    ]);
    const streamed = await runner.send('/generate', undefined, {
      method: 'POST',
      body: new Blob([body]).stream(),
      duplex: 'half',
    } as RequestInit);
    expect(streamed.status).toBe(413);
  });

  it('tokens that the vocabulary does not have', async () => {
    expect(await refused({ prompt: { kind: 'tokens', tokens: [99_999] } })).toMatchObject({
      code: 'invalid_request',
      field: 'prompt',
    });
    expect(await refused({ sampling: { logitBias: { 99999: 1 } } })).toMatchObject({ field: 'logit_bias' });
  });

  it('an adapter that is for another base, with the reasons', async () => {
    const other = await refused({ adapters: [files.adapter('qwen3', 'all-linear')] });
    expect(other).toMatchObject({ status: 409, code: 'adapter_invalid', field: 'model' });
    expect(other.detail).toMatch(/layers\.0/);
  });

  it('an adapter with DoRA in a mix, which has no meaning', async () => {
    const [dora, second] = [files.adapter('llama3', 'dora'), files.adapter('llama3', 'second')];
    for (const adapters of [[dora, second], [{ ...dora, weight: 0.5 }]])
      expect(await refused({ adapters })).toMatchObject({
        code: 'invalid_request',
        detail: expect.stringMatching(/DoRA/),
        field: 'model',
      });
  });

  it('more answers than can ever be taken, and too many just now', async () => {
    expect(await refused({ n: MAX_BATCH + MAX_WAITING + 1 })).toMatchObject({
      code: 'invalid_request',
      field: 'n',
    });
    const gone = new AbortController();
    const long = { sampling: { maxTokens: 500, ...ENDLESS } };
    const running = await runner.send('/generate', asking({ ...long, n: MAX_BATCH + MAX_WAITING }), {
      signal: gone.signal,
    });
    const response = await ask(long);
    expect(response.status).toBe(429);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await response.json()).toMatchObject({ code: 'busy' });
    gone.abort();
    await running.text().catch(() => undefined);
    await runner.until(({ running: rows, waiting }) => rows + waiting === 0);
    expect((await ask()).status).toBe(200);
  });

  it('a template that never ends does not hold up anybody', async () => {
    const turns = '{% for i in range(100000) %}';
    const bomb = files.base('llama3', { 'chat_template.jinja': `${turns}${turns}{% endfor %}{% endfor %}` });
    expect((await runner.send('/bases', bomb)).status).toBe(200);
    const bombed = refused({ base: bomb, prompt: chat('hello') });
    expect(finishes(await generate())).toHaveLength(1);
    expect(await bombed).toMatchObject({ type: 'error', code: 'template_failed' }); // after longer than a beat
  });
});

describe('files that are not what they should be', () => {
  const statusOf = async (adapter: ReturnType<FileServer['adapter']>) => {
    const response = await ask({ adapters: [adapter] });
    return [response.status, ((await response.json()) as { code: string }).code];
  };

  it.each([
    ['corrupt', 502, 'checksum_mismatch'],
    ['too-long', 502, 'checksum_mismatch'],
    ['truncate', 502, 'fetch_failed'],
    ['missing', 502, 'fetch_failed'],
  ] as const)('%s: refused, not kept, and fetched again', async (trouble, status, code) => {
    const broken = files.adapter('llama3', 'second', trouble);
    expect(await statusOf(broken)).toEqual([status, code]);
    expect(await statusOf(broken)).toEqual([status, code]);
    expect(files.hits.get(new URL(broken.weights.url).pathname)).toBe(2);
    const whole = { ...broken, weights: files.adapter('llama3', 'second').weights };
    expect(finishes(await generate({ adapters: [whole] }))).toHaveLength(1);
  });

  it('bytes that are no adapter', async () => {
    const good = files.adapter('llama3', 'second');
    const weights = files.add('adapter_model.safetensors', Buffer.from('not a safetensors file'));
    expect(await statusOf({ ...good, digest: weights.sha256, weights })).toEqual([409, 'adapter_invalid']);
  });

  it('a base that lacks weights, or is none: refused with the reason, and nothing stays loaded', async () => {
    const unloaded = async (base: BaseSource) => {
      const response = await runner.send('/bases', base);
      expect((await runner.health()).bases.map(({ digest }) => digest)).not.toContain(base.digest);
      return { status: response.status, ...((await response.json()) as object) };
    };
    expect(await unloaded(files.base('llama3', { 'config.json': '{"model_type": "t5"}' }))).toMatchObject({
      status: 422,
      code: 'base_unsupported',
    });
    expect(await unloaded(files.base('llama3', { 'tokenizer.json': '{}' }))).toMatchObject({
      status: 422,
      code: 'base_unsupported',
      detail: expect.stringMatching(/tokenizer/),
    });
  });

  it.each(['../escape.json', '/etc/escape', 'a/../../escape', '.hidden', 'patchbay-prepared-x/model.onnx'])(
    'a base may not name its file %s',
    async (path) => {
      const base = {
        ...llama3,
        digest: 'e'.repeat(64),
        files: [...llama3.files, { ...llama3.files[0]!, path }],
      };
      const response = await runner.send('/bases', base);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ code: 'invalid_request' });
    },
  );
});

describe('caches', () => {
  it('requests that come together share one download and one load', async () => {
    const adapter = { ...files.adapter('llama3', 'patterns'), digest: 'd'.repeat(64) };
    await Promise.all(Array.from({ length: 4 }, () => generate({ adapters: [adapter] })));
    expect(files.hits.get(new URL(adapter.weights.url).pathname)).toBe(1);
    await generate({ adapters: [adapter] });
    expect(files.hits.get(new URL(adapter.weights.url).pathname)).toBe(1);
  });

  it('are told apart for each adapter of a mix, whichever arrives first', async () => {
    const counted = async () => {
      const tiers = (await (await runner.send('/metrics')).text()).matchAll(
        /^patchbay_runner_adapter_requests_total\{tier="(\w+)"\} (\d+)/gm,
      );
      return Object.fromEntries([...tiers].map(([, tier, count]) => [tier, Number(count)]));
    };
    const known = files.adapter('llama3', 'second');
    await generate({ adapters: [known] });
    const before = await counted();
    await generate({ adapters: [files.adapter('llama3', 'rslora', 'slow'), known] });
    const after = await counted();
    const moved = (tier: string) => (after[tier] ?? 0) - (before[tier] ?? 0);
    expect(['object_store', 'disk', 'memory'].map(moved)).toEqual([1, 0, 1]);
  });

  it('of a mix that failed, what arrives afterwards can be removed as well', async () => {
    const cramped = await RunnerProcess.start({ PATCHBAY_RUNNER_DISK_BYTES: '1' });
    const folder = join(cramped.cacheFolder, 'adapters');
    const slow = files.adapter('llama3', 'all-linear', 'slow');
    const adapters = [slow, files.adapter('llama3', 'second', 'missing')];
    expect((await cramped.send('/generate', asking({ adapters }))).status).toBe(502);
    await expect.poll(() => readdir(join(folder, slow.digest))).toEqual([WEIGHTS_FILE]);
    const other = files.adapter('llama3', 'second');
    await allEvents(await cramped.send('/generate', asking({ adapters: [other] })));
    expect(await readdir(folder)).toEqual([other.digest]);
    await cramped.stop();
  });
});

describe('metrics', () => {
  const NAME = 'patchbay_runner_';
  const scrape = async () => {
    const lines = (await (await runner.send('/metrics')).text()).split('\n');
    const of = (series: string) =>
      Number(lines.find((line) => line.startsWith(`${NAME}${series} `))?.split(' ')[1] ?? 0);
    return { of };
  };

  it('tell of each adapter of a mix where it was, whichever came first', async () => {
    const inMemory = files.adapter('llama3', 'all-linear');
    await generate({ adapters: [inMemory] });
    const slow = { ...files.adapter('llama3', 'second', 'slow'), digest: 'c'.repeat(64) };
    const before = await scrape();
    await generate({ adapters: [slow, inMemory] });
    const after = await scrape();
    const moved = ['object_store', 'memory', 'disk'].map((tier) => {
      const series = `adapter_requests_total{tier="${tier}"}`;
      return after.of(series) - before.of(series);
    });
    expect(moved).toEqual([1, 1, 0]);
  });

  it('count what a client was told that left', async () => {
    const [left, out] = ['requests_total{outcome="left"}', 'tokens_total{direction="out"}'] as const;
    const before = await scrape();
    const gone = new AbortController();
    const sampling = { maxTokens: 500, ...ENDLESS };
    const leaving = await runner.send('/generate', asking({ sampling }), { signal: gone.signal });
    let pieces = 0;
    for await (const event of eventsOf(leaving)) if (event.type === 'delta' && ++pieces === 3) break;
    gone.abort();
    await expect.poll(async () => (await scrape()).of(left) - before.of(left)).toBe(1);
    expect((await scrape()).of(out) - before.of(out)).toBeGreaterThanOrEqual(3);
  });
});

describe('a client that leaves', () => {
  it('frees its rows before the next step, and others do not notice', async () => {
    const whole = await generate({ sampling: { maxTokens: 200 } });
    const gone = new AbortController();
    const leaving = await runner.send(
      '/generate',
      asking({ n: 3, sampling: { maxTokens: 500, ...ENDLESS } }),
      {
        signal: gone.signal,
      },
    );
    const staying = ask({ sampling: { maxTokens: 200 } });
    for await (const event of eventsOf(leaving)) if (event.type === 'delta') break;
    gone.abort();
    expect(textOf(await allEvents(await staying))).toBe(textOf(whole));
    const { running, waiting } = await runner.until((health) => health.running + health.waiting === 0);
    expect([running, waiting]).toEqual([0, 0]);
  });
});

describe('a runner that has nothing to tell yet', () => {
  it('says that it is at work, and then what went wrong', async () => {
    const response = await ask({ adapters: [files.adapter('llama3', 'second', 'late')] });
    expect(response.status).toBe(200);
    const [first, ...rest] = (await response.text()).split('\n');
    expect(first).toBe('');
    expect(rest.filter((line) => line).map((line) => JSON.parse(line))).toEqual([
      { type: 'error', code: 'fetch_failed', detail: expect.stringMatching(/404/) },
    ]);
  });

  it('says nothing while a step of the model does not end, takes nothing new, and ends', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'patchbay-wedge-'));
    const wedge = join(folder, 'wedge');
    const preload = new URL('./testing/wedged-thread.ts', import.meta.url).href;
    const stuck = await RunnerProcess.start({
      NODE_OPTIONS: `--import ${preload}`,
      PATCHBAY_TEST_WEDGE: wedge,
    });
    await allEvents(await stuck.send('/generate', asking())); // the base is there
    const response = await stuck.send('/generate', asking({ sampling: { maxTokens: 500, ...ENDLESS } }));
    const reader = response.body!.getReader();
    await reader.read();
    await writeFile(wedge, '');
    const began = performance.now();
    let heardAt = began;
    const ended = (async () => {
      while (!(await reader.read()).done) heardAt = performance.now();
    })();
    expect((await stuck.health()).status).toBe('ok');
    await stuck.until(({ status }) => status === 'draining');
    expect(heardAt - began).toBeLessThan(1_000);
    expect(performance.now() - began).toBeLessThan(STALLED_MS + 5_000);
    await expect(ended).rejects.toThrow();
    expect((await stuck.stop()).signal).toBe('SIGABRT');
    expect(stuck.log).toContain('the thread of a base hangs');
    await rm(folder, { recursive: true });
  }, 90_000);
});

describe('a runner that is told to stop', () => {
  it('finishes what runs, refuses what comes, exits 0', async () => {
    const stopping = await RunnerProcess.start();
    const response = await stopping.send('/generate', asking({ sampling: { maxTokens: 300, ...ENDLESS } }));
    const events = eventsOf(response);
    await events.next();
    stopping.child.kill('SIGTERM');
    await expect.poll(() => stopping.log).toContain('draining');
    const rest: GenerateEvent[] = [];
    for await (const event of events) rest.push(event);
    expect(rest.at(-1)).toMatchObject({ type: 'finish', completionTokens: 300 });
    expect(await stopping.stop()).toEqual({ code: 0, signal: null });
    expect(stopping.log).not.toMatch(/"level":(50|60)/);
  });

  it('ends when its parent process is gone', async () => {
    const orphan = await RunnerProcess.start();
    const exited = new Promise((resolve) => orphan.child.once('exit', resolve));
    orphan.child.disconnect();
    expect(await exited).toBe(0);
    await orphan.stop();
  });

  it('says which setting is wrong', async () => {
    await expect(RunnerProcess.start({ PATCHBAY_RUNNER_TOKEN: 'short' })).rejects.toThrow(/exited with 1/);
  });
});

it('writes nothing outside its cache folder: the library’s telemetry is off', async () => {
  const home = await mkdtemp(join(tmpdir(), 'patchbay-home-'));
  const secluded = await RunnerProcess.start({ HOME: home, XDG_CACHE_HOME: join(home, '.cache') });
  await allEvents(await secluded.send('/generate', asking()));
  await secluded.stop();
  expect(await readdir(home)).toEqual([]);
  await rm(home, { recursive: true });
});

it('writes one line of the log for each request, with its id and no secret', async () => {
  const asked = asking();
  await allEvents(await runner.send('/generate', asked));
  const logged = () => runner.log.split('\n').filter((line) => line.includes(`"${asked.requestId}"`));
  await expect.poll(logged).toHaveLength(1);
  const lines = logged();
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    {
      requestId: asked.requestId,
      base: 'fixtures/llama3',
      promptTokens: 1,
      completionTokens: 16,
      msg: 'generated',
    },
  ]);
  expect(runner.log).not.toContain('a token for tests only');
});
