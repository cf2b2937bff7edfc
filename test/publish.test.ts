/** Publishing through the API: every bad file is refused with its reason, nothing is half listed, every route keeps its rules. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { badFiles } from '../adapter/bad-files.ts';
import { sampleAdapter } from '../adapter/sample-adapter.ts';
import { DRAFT_HOURS } from '../api/publish.ts';
import { findDraft } from '../db/drafts.ts';
import { invoke } from '../functions/definition.ts';
import { sweep } from '../functions/sweep.ts';
import { run } from './harness.ts';
import { base, baseId, type DraftBody, declare, InProcess, upload } from './in-process.ts';

let api: InProcess;

beforeAll(async () => {
  api = await InProcess.open();
});

afterEach(() => {
  expect(api.unexpected).toEqual([]);
});

afterAll(() => api.close());

const good = sampleAdapter(base);
const goodFiles = { 'adapter_config.json': good.config, 'adapter_model.safetensors': good.weights };

it('the catalog tells which bases are loaded, and finds their adapters alone', async () => {
  await api.publish('/api/adapters/alice/warm/versions', { ...goodFiles, 'README.md': '# Warm\n' });
  const find = async (query: string) =>
    (await (await api.call('GET', `/api/adapters?q=warm${query}`)).json()) as {
      adapters: unknown[];
      warm: string[];
    };
  expect(await find('')).toMatchObject({ adapters: [{ id: 'alice/warm' }], warm: [] });
  expect((await find('&warm=true')).adapters).toEqual([]);
  api.loaded = [baseId];
  expect(await find('&warm=true')).toMatchObject({ adapters: [{ id: 'alice/warm' }], warm: [baseId] });
});

describe('a bad adapter is refused with its reason, and nothing of it is listed', () => {
  it.each(badFiles(base).map((bad, i) => [bad.name, bad.code, bad, i] as const))(
    '%s: %s',
    async (_name, code, bad, i) => {
      if (bad.weights.length === 0 || bad.config.length === 0) return; // refused when it is declared, below
      const response = await api.publish(`/api/adapters/bad/file-${i}/versions`, {
        'adapter_config.json': bad.config,
        'adapter_model.safetensors': bad.weights,
      });
      expect(response.status).toBe(422);
      const { problems } = (await response.json()) as { problems: { code: string }[] };
      expect(problems.map((problem) => problem.code)).toContain(code);
      expect((await api.call('GET', `/api/adapters/bad/file-${i}`)).status).toBe(404);
    },
  );
});

describe('publishing', () => {
  it('lists what is right, once, however often it is completed', async () => {
    const underWay = async () =>
      ((await (await api.call('GET', '/api/operator')).json()) as { drafts: number }).drafts;
    const before = await underWay();
    const draft = await api.start('/api/adapters/alice/good/versions', goodFiles);
    await upload(draft, goodFiles);
    expect(await underWay()).toBe(before + 1);
    const both = await Promise.all([1, 2].map(() => api.call('POST', `/api/drafts/${draft.id}/complete`)));
    expect(both.map(({ status }) => status)).toEqual([200, 200]);
    for (const answer of [...both, await api.complete(draft)])
      expect(await answer.json()).toMatchObject({ version: { number: 1 } });
    expect(await underWay()).toBe(before); // it is kept for whoever missed the answer
    const { versions } = (await (await api.call('GET', '/api/adapters/alice/good')).json()) as {
      versions: unknown[];
    };
    expect(versions).toHaveLength(1);
  });

  it('asks only for what is not there, and knows which parts have arrived', async () => {
    const more = { ...goodFiles, 'README.md': '# Good\n\nIt does one thing.\n' };
    const draft = await api.start('/api/adapters/alice/more/versions', more);
    expect(draft.files.map(({ path, status }) => [path, status])).toEqual([
      ['README.md', 'upload'],
      ['adapter_config.json', 'present'],
      ['adapter_model.safetensors', 'present'],
    ]);
    expect((await api.call('POST', `/api/drafts/${draft.id}/complete`)).status).toBe(409);
    await upload(draft, more);
    const seen = (await (await api.call('GET', `/api/drafts/${draft.id}`)).json()) as DraftBody;
    expect(seen.files[0]?.parts?.every(({ done }) => done)).toBe(true);
    expect((await api.call('POST', `/api/drafts/${draft.id}/complete`)).status).toBe(200);
    expect(await (await api.call('GET', '/api/adapters/alice/more')).json()).toMatchObject({
      title: 'Good',
      summary: 'It does one thing.',
    });
  });

  it('sends again what the object store has lost while it joined the parts', async () => {
    const url = await api.listen();
    const folder = await mkdtemp(join(tmpdir(), 'patchbay-lost-'));
    const files = { ...goodFiles, 'README.md': '# Lost, and sent again\n' };
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
    let completions = 0;
    api.intercept = async (request, next) => {
      const [, id] = /\/drafts\/([^/]+)\/complete$/.exec(request.url) ?? [];
      if (id && ++completions === 1) {
        const draft = await findDraft(api.deps.db, id);
        for (const { upload } of draft!.files)
          if (upload) await api.blobs.abortUpload(upload.key, upload.uploadId);
      }
      return next();
    };
    const command = ['--json', 'publish', folder, '--base', baseId, '--as', 'alice/lost'];
    const { stdout, stderr } = await run(
      'node',
      [join(import.meta.dirname, '../cli/bin/patchbay.js'), ...command],
      {
        PATCHBAY_URL: url,
        PATCHBAY_KEY: api.admin,
        XDG_CACHE_HOME: folder,
      },
    );
    api.intercept = (_request, next) => next();
    await rm(folder, { recursive: true });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toMatchObject({ created: true, version: { number: 1 } });
    expect(completions).toBe(2);
  });

  it('refuses a configuration that names another base, which PEFT would load it onto', async () => {
    const config = { ...JSON.parse(good.config), base_model_name_or_path: 'meta-llama/Llama-3.1-8B' };
    const files = { ...goodFiles, 'adapter_config.json': JSON.stringify(config) };
    const response = await api.publish('/api/adapters/alice/other-base/versions', files);
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({
      problems: [
        {
          code: 'base_mismatch',
          detail: expect.stringContaining(`write "base_model_name_or_path": "${baseId}"`),
        },
      ],
    });
    const named = JSON.stringify({ ...config, base_model_name_or_path: baseId });
    const right = { ...goodFiles, 'adapter_config.json': named };
    expect((await api.publish('/api/adapters/alice/other-base/versions', right)).status).toBe(200);
  });

  it('tells all reasons of all files at once', async () => {
    const config = { ...JSON.parse(good.config), use_quantum: true, r: 7 };
    const response = await api.publish('/api/adapters/alice/all-wrong/versions', {
      ...goodFiles,
      'adapter_config.json': JSON.stringify(config),
      'README.md': '---\nlicense: [mit]\ntitle: 7\n---\n',
    });
    expect(response.status).toBe(422);
    const { problems } = (await response.json()) as { problems: { code: string }[] };
    expect(problems.map(({ code }) => code)).toEqual([
      'field_unknown',
      'rank_mismatch',
      'rank_mismatch',
      'card_invalid',
      'card_invalid',
    ]);
  });

  it('takes a card whose fields were left empty', async () => {
    const files = { ...goodFiles, 'README.md': '---\nlicense:\ntags:\nlanguage:\n---\n# Empty fields\n' };
    expect((await api.publish('/api/adapters/alice/empty-fields/versions', files)).status).toBe(200);
    expect(await (await api.call('GET', '/api/adapters/alice/empty-fields')).json()).toMatchObject({
      title: 'Empty fields',
      license: null,
      tags: [],
    });
  });

  it('refuses a card whose front matter is broken', async () => {
    const response = await api.publish('/api/adapters/alice/card/versions', {
      ...goodFiles,
      'README.md': '---\ntags: {\n---\n',
    });
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ problems: [{ code: 'card_invalid' }] });
  });

  it('refuses a name that a base has: one name is one thing', async () => {
    const [owner, name] = baseId.split('/');
    const response = await api.call('POST', `/api/adapters/${owner}/${name}/versions`, {
      base: baseId,
      files: declare(goodFiles),
    });
    expect(response.status).toBe(409);
    expect(await response.json()).toMatchObject({ field: 'name' });
  });

  it.each([
    ['a card with NUL', { 'README.md': '# Title\0' }, 'not_text'],
    ['a front matter with NUL', { 'README.md': '---\ntask: "\\0"\n---\n' }, 'card_invalid'],
    [
      'a configuration with NUL',
      { 'adapter_config.json': JSON.stringify({ ...JSON.parse(good.config), revision: '\0' }) },
      'not_text',
    ],
  ])('refuses %s, which the database could not hold', async (_name, files, code) => {
    const response = await api.publish('/api/adapters/alice/nul/versions', { ...goodFiles, ...files });
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ problems: [{ code }] });
  });

  it('sweeps away a draft that nobody completed, with its bytes', async () => {
    const files = { ...goodFiles, LICENSE: 'abandoned' };
    const draft = await api.start('/api/adapters/alice/abandoned/versions', files);
    await upload(draft, files);
    const before = api.now;
    api.now = new Date(before.getTime() + (DRAFT_HOURS + 1) * 3_600_000);
    expect((await invoke(sweep, {}, api.deps)).drafts).toBeGreaterThan(0);
    api.now = before;
    expect((await api.call('GET', `/api/drafts/${draft.id}`)).status).toBe(404);
    expect(await api.blobs.size(`uploads/${draft.id}/LICENSE`)).toBeUndefined();
  });

  it('gives a file out by a URL that needs no key', async () => {
    const response = await api.call(
      'GET',
      '/api/adapters/alice/good/versions/1/files/adapter_model.safetensors',
      undefined,
      '',
    );
    expect(response.status).toBe(302);
    const file = await fetch(response.headers.get('location')!);
    expect(new Uint8Array(await file.arrayBuffer())).toEqual(good.weights);
  });

  it('keeps a base as it was first imported', async () => {
    const response = await api.publish('/api/bases/parity/other', {
      'config.json': '{}',
      'tokenizer.json': '{}',
      'tokenizer_config.json': '{}',
      'model.safetensors': good.weights,
    });
    expect(response.status).toBe(422);
    expect((await api.call('GET', '/api/bases/parity/other')).status).toBe(404);
  });
});

describe('a model that is asked for by name', () => {
  it.each(['%E0%A4%A', `${baseId}+alice/good`, `${baseId}@v1`, 'alice/good@v99', 'nobody/nothing', 'word'])(
    '%s is not there',
    async (name) => {
      const response = await api.call('GET', `/v1/models/${name}`);
      expect(response.status).toBe(404);
      expect(await response.json()).toMatchObject({ error: { code: 'model_not_found', param: 'model' } });
    },
  );

  it.each(['alice/good', 'alice%2Fgood', 'alice/good@v1', 'alice/good:0.5'])('%s is there', async (name) => {
    const response = await api.call('GET', `/v1/models/${name}`);
    expect(await response.json()).toMatchObject({ object: 'model', parent: baseId });
  });
});

describe('the rules of the routes', () => {
  const files = declare(goodFiles);
  const route = '/api/adapters/alice/rules/versions';
  it.each([
    ['no key', 401, '', 'POST', route, { base: baseId, files }],
    ['a key that is none', 401, 'pb_nothing', 'GET', '/api/adapters', undefined],
    ['a base that is not there', 404, undefined, 'POST', route, { base: 'no/base', files }],
    [
      'a name with capitals',
      400,
      undefined,
      'POST',
      '/api/adapters/Alice/rules/versions',
      { base: baseId, files },
    ],
    ['no files', 400, undefined, 'POST', route, { base: baseId, files: [] }],
    ['a file twice', 400, undefined, 'POST', route, { base: baseId, files: [...files, files[0]] }],
    ['a missing file', 400, undefined, 'POST', route, { base: baseId, files: files.slice(1) }],
    [
      'a pickle',
      400,
      undefined,
      'POST',
      route,
      { base: baseId, files: [...files, { path: 'adapter_model.bin', size: 3, sha256: 'a'.repeat(64) }] },
    ],
    [
      'a path that climbs',
      400,
      undefined,
      'POST',
      route,
      { base: baseId, files: [...files, { path: '../x', size: 3, sha256: 'a'.repeat(64) }] },
    ],
    [
      'an empty file',
      400,
      undefined,
      'POST',
      route,
      { base: baseId, files: [{ ...files[0], size: 0 }, files[1]] },
    ],
    [
      'a file beyond its limit',
      413,
      undefined,
      'POST',
      route,
      { base: baseId, files: [{ ...files[0], size: 2 ** 30 }, files[1]] },
    ],
    ['a body that is not JSON', 400, undefined, 'POST', route, '{'],
    ['a draft that is not there', 404, undefined, 'GET', `/api/drafts/${crypto.randomUUID()}`, undefined],
    ['a cursor that is none', 400, undefined, 'GET', '/api/adapters?cursor=xyz', undefined],
    ['a limit that is none', 400, undefined, 'GET', '/api/adapters?limit=many', undefined],
    ['an adapter that is not there', 404, undefined, 'GET', '/api/adapters/no/body', undefined],
    [
      'a file that is not there',
      404,
      undefined,
      'GET',
      '/api/adapters/alice/good/versions/1/files/secret',
      undefined,
    ],
    ['a path that is not there', 404, undefined, 'GET', '/api/nothing', undefined],
  ] as const)('%s is answered with %i', async (_name, status, bearer, method, path, body) => {
    const response = await api.call(method, path, body, bearer);
    expect(response.status).toBe(status);
    const problem = (await response.json()) as { status: number; detail: string; requestId: string };
    expect(problem).toMatchObject({ status, requestId: response.headers.get('x-request-id') });
    expect(problem.detail).not.toMatch(/\.ts:\d+/);
  });

  it('keeps a publisher to their own name, and hides their drafts from others', async () => {
    const alice = await api.key('alice', ['publish']);
    const bob = await api.key('bob', ['publish']);
    const body = { base: baseId, files };
    expect((await api.call('POST', '/api/adapters/alice/mine/versions', body, bob)).status).toBe(403);
    const draft = await api.start('/api/adapters/alice/mine/versions', goodFiles, alice);
    expect((await api.call('GET', `/api/drafts/${draft.id}`, undefined, bob)).status).toBe(404);
    expect((await api.call('DELETE', `/api/drafts/${draft.id}`, undefined, alice)).status).toBe(204);
    expect((await api.call('POST', '/api/bases/alice/base', { files }, alice)).status).toBe(403);
    expect((await api.call('POST', '/api/keys', { name: 'x', scopes: ['read'] }, alice)).status).toBe(403);
  });

  it("tells OpenAI's clients what their base URL lacks", async () => {
    for (const path of ['/chat/completions', '/fine_tuning/jobs'])
      expect(await (await api.call('POST', path, {})).json()).toMatchObject({
        error: {
          message: `There is nothing at POST ${path}: the base URL of OpenAI's clients ends with /v1 here.`,
          code: 'not_found',
        },
      });
  });

  it('describes every route, in its section, with everything that it is made of', async () => {
    const document = (await (await api.call('GET', '/openapi.json', undefined, '')).json()) as {
      tags: { name: string }[];
      paths: Record<string, Record<string, { tags?: string[] }>>;
    };
    const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
    const sections = document.tags.map(({ name }) => name);
    expect(operations.length).toBeGreaterThan(80);
    expect(new Set(operations.flatMap(({ tags }) => tags ?? ['none']))).toEqual(new Set(sections));
    const page = await (await api.call('GET', '/docs', undefined, '')).text();
    expect(page.match(/<details>\s*<summary><code>/g)).toHaveLength(operations.length);
    expect(page).toContain('<code>messages[].role</code>');
    const places = new Set([...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
    for (const [, target] of page.matchAll(/href="#([^"]+)"/g)) expect(places).toContain(target);
  });
});
